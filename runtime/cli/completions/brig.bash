# bash completion for brig; made by generate.sh
_brig() {
    local cur=${COMP_WORDS[COMP_CWORD]} verb= group= i global=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --root|--runroot|--cgroup-manager|--vm-accel|--log-level) global+=("${COMP_WORDS[i]}" "${COMP_WORDS[i+1]}"); ((i++)) ;;
        -*) ;;
        container|healthcheck|image|network|secret|system|volume) group=${COMP_WORDS[i]} verb=${COMP_WORDS[i+1]:-}; ((i + 1 < COMP_CWORD)) || verb=; break ;;
        *) verb=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $group:$verb in
    container:) COMPREPLY=($(compgen -W 'exists inspect prune ls attach commit cp create diff exec export kill logs pause port ps rename restart rm run start stats stop top unpause update wait ' -- "$cur")); return ;;
    healthcheck:) COMPREPLY=($(compgen -W 'run ' -- "$cur")); return ;;
    image:) COMPREPLY=($(compgen -W 'exists fsck history ls import inspect load prune pull push rm save tag unpack untag ' -- "$cur")); return ;;
    network:) COMPREPLY=($(compgen -W 'connect create disconnect exists inspect ls prune rm ' -- "$cur")); return ;;
    secret:) COMPREPLY=($(compgen -W 'create exists inspect ls rm ' -- "$cur")); return ;;
    system:) COMPREPLY=($(compgen -W 'df prune events info ' -- "$cur")); return ;;
    volume:) COMPREPLY=($(compgen -W 'create exists export import inspect ls prune rm ' -- "$cur")); return ;;
    container:exists) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    container:prune) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--filter --force -f --help -h' -- "$cur")); return; } ;;
    container:ls) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter -f --format --last -n --latest -l --no-trunc --noheading --quiet -q --size -s --sort --help -h' -- "$cur")); return; } ;;
    healthcheck:run) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    image:exists) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    image:fsck) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--quiet -q --repair --authfile --cert-dir --creds --retry --retry-delay --tls-verify --help -h' -- "$cur")); return; } ;;
    image:history) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format --human -H --no-trunc --quiet -q --help -h' -- "$cur")); return; } ;;
    image:ls) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --digests --filter -f --format --no-trunc --noheading -n --quiet -q --sort --history --help -h' -- "$cur")); return; } ;;
    image:import) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--arch --change -c --message -m --os --platform --quiet -q --help -h' -- "$cur")); return; } ;;
    image:inspect) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --type -t --size -s --help -h' -- "$cur")); return; } ;;
    image:load) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--input -i --platform --quiet -q --help -h' -- "$cur")); return; } ;;
    image:prune) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter --force -f --help -h' -- "$cur")); return; } ;;
    image:pull) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all-tags -a --arch --os --platform --policy --pull --quiet -q --variant --authfile --cert-dir --creds --retry --retry-delay --tls-verify --disable-content-trust --help -h' -- "$cur")); return; } ;;
    image:push) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all-tags -a --digestfile --quiet -q --authfile --cert-dir --creds --retry --retry-delay --tls-verify --compress --remove-signatures --format --disable-content-trust --help -h' -- "$cur")); return; } ;;
    image:rm) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --force -f --ignore -i --no-prune --help -h' -- "$cur")); return; } ;;
    image:save) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--output -o --format --quiet -q --multi-image-archive -m --compress --help -h' -- "$cur")); return; } ;;
    image:tag) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    image:unpack) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--gidmap --uidmap --help -h' -- "$cur")); return; } ;;
    image:untag) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    network:connect) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--alias --ip --ip6 --mac-address --help -h' -- "$cur")); return; } ;;
    network:create) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--disable-dns --driver -d --gateway --ignore --internal --ip-range --ipv6 --label --opt -o --parent --subnet --help -h' -- "$cur")); return; } ;;
    network:disconnect) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--force -f --help -h' -- "$cur")); return; } ;;
    network:exists) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    network:inspect) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --help -h' -- "$cur")); return; } ;;
    network:ls) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--filter -f --format --no-trunc --noheading -n --quiet -q --help -h' -- "$cur")); return; } ;;
    network:prune) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--filter --force -f --help -h' -- "$cur")); return; } ;;
    network:rm) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--force -f --help -h' -- "$cur")); return; } ;;
    secret:create) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--driver -d --env --label -l --replace --help -h' -- "$cur")); return; } ;;
    secret:exists) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    secret:inspect) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --showsecret --help -h' -- "$cur")); return; } ;;
    secret:ls) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--filter -f --format --noheading -n --quiet -q --help -h' -- "$cur")); return; } ;;
    secret:rm) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --ignore -i --help -h' -- "$cur")); return; } ;;
    system:df) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format --verbose -v --help -h' -- "$cur")); return; } ;;
    system:prune) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter --force -f --volumes --help -h' -- "$cur")); return; } ;;
    system:events) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--filter -f --format --no-trunc --since --stream --until --help -h' -- "$cur")); return; } ;;
    system:info) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --help -h' -- "$cur")); return; } ;;
    volume:create) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--driver -d --ignore --label -l --name --opt -o --help -h' -- "$cur")); return; } ;;
    volume:exists) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    volume:export) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--output -o --help -h' -- "$cur")); return; } ;;
    volume:import) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    volume:inspect) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --help -h' -- "$cur")); return; } ;;
    volume:ls) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--filter -f --format --noheading -n --quiet -q --help -h' -- "$cur")); return; } ;;
    volume:prune) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter --force -f --help -h' -- "$cur")); return; } ;;
    volume:rm) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --force -f --help -h' -- "$cur")); return; } ;;
    esac
    [[ $group && $group != container ]] || case $verb in
    '') COMPREPLY=($(compgen -W 'attach commit cp create diff events exec export fsck history image images import info inspect kill load login logout logs oci pause port ps pull push rename restart rm rmi run save start stats stop tag top unpause untag update version wait container healthcheck network secret system volume help --root --runroot --cgroup-manager --vm-accel --log-level --debug -D --version -v --help -h' -- "$cur")); return ;;
    attach) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--detach-keys --latest -l --no-stdin --sig-proxy --help -h' -- "$cur")); return; } ;;
    commit) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--author -a --change -c --format -f --iidfile --message -m --pause -p --quiet -q --help -h' -- "$cur")); return; } ;;
    cp) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--archive -a --follow-link -L --overwrite --quiet -q --help -h' -- "$cur")); return; } ;;
    create) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--add-host --annotation --arch --authfile --blkio-weight --blkio-weight-device --cap-add --cap-drop --cgroup-conf --cgroup-parent --cgroupns --cgroups --cidfile --conmon-pidfile --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device --device-cgroup-rule --device-read-bps --device-read-iops --device-write-bps --device-write-iops --domainname --dns --dns-option --dns-search --entrypoint --env -e --env-file --env-host --expose --gidmap --group-add --health-cmd --health-interval --health-on-failure --health-retries --health-start-period --health-timeout --hostname -h --http-proxy --image-volume --init --init-path --interactive -i --ip --ip6 --ipc --label -l --label-file --log-driver --log-opt --mac-address --memory -m --memory-reservation --memory-swap --memory-swappiness --mount --name --network --network-alias --no-healthcheck --no-hosts --oom-kill-disable --oom-score-adj --os --pid --pidfile --pids-limit --platform --preserve-fds --privileged --publish -p --publish-all -P --pull --quiet -q --read-only --read-only-tmpfs --replace --restart --rm --runtime --sdnotify --secret --security-opt --shm-size --stop-signal --stop-timeout --subgidname --subuidname --systemd --sysctl --timeout --tls-verify --tmpfs --tty -t --tz --uidmap --ulimit --umask --unsetenv --unsetenv-all --user -u --userns --uts --variant --vm --volume -v --volumes-from --workdir -w --help' -- "$cur")); return; } ;;
    diff) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format --latest -l --help -h' -- "$cur")); return; } ;;
    events) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--filter -f --format --no-trunc --since --stream --until --help -h' -- "$cur")); return; } ;;
    exec) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--cidfile --detach -d --detach-keys --env -e --env-file --interactive -i --latest -l --preserve-fds --privileged --tty -t --user -u --workdir -w --help -h' -- "$cur")); return; } ;;
    export) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--output -o --help -h' -- "$cur")); return; } ;;
    info) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --help -h' -- "$cur")); return; } ;;
    inspect) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --latest -l --size -s --type -t --help -h' -- "$cur")); return; } ;;
    kill) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --cidfile --latest -l --signal -s --help -h' -- "$cur")); return; } ;;
    logs) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--follow -f --latest -l --names -n --since --tail --timestamps -t --until --help -h' -- "$cur")); return; } ;;
    pause) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --cidfile --filter -f --latest -l --help -h' -- "$cur")); return; } ;;
    port) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --latest -l --help -h' -- "$cur")); return; } ;;
    ps) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter -f --format --last -n --latest -l --no-trunc --noheading --quiet -q --size -s --sort --help -h' -- "$cur")); return; } ;;
    rename) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    restart) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--cidfile --all -a --filter -f --latest -l --running --time -t --help -h' -- "$cur")); return; } ;;
    rm) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --cidfile --filter --force -f --ignore -i --latest -l --time -t --volumes -v --help -h' -- "$cur")); return; } ;;
    run) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--attach -a --detach -d --detach-keys --sig-proxy --add-host --annotation --arch --authfile --blkio-weight --blkio-weight-device --cap-add --cap-drop --cgroup-conf --cgroup-parent --cgroupns --cgroups --cidfile --conmon-pidfile --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device --device-cgroup-rule --device-read-bps --device-read-iops --device-write-bps --device-write-iops --domainname --dns --dns-option --dns-search --entrypoint --env -e --env-file --env-host --expose --gidmap --group-add --health-cmd --health-interval --health-on-failure --health-retries --health-start-period --health-timeout --hostname -h --http-proxy --image-volume --init --init-path --interactive -i --ip --ip6 --ipc --label -l --label-file --log-driver --log-opt --mac-address --memory -m --memory-reservation --memory-swap --memory-swappiness --mount --name --network --network-alias --no-healthcheck --no-hosts --oom-kill-disable --oom-score-adj --os --pid --pidfile --pids-limit --platform --preserve-fds --privileged --publish -p --publish-all -P --pull --quiet -q --read-only --read-only-tmpfs --replace --restart --rm --runtime --sdnotify --secret --security-opt --shm-size --stop-signal --stop-timeout --subgidname --subuidname --systemd --sysctl --timeout --tls-verify --tmpfs --tty -t --tz --uidmap --ulimit --umask --unsetenv --unsetenv-all --user -u --userns --uts --variant --vm --volume -v --volumes-from --workdir -w --help' -- "$cur")); return; } ;;
    start) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all --attach -a --detach-keys --filter -f --interactive -i --latest -l --sig-proxy --help -h' -- "$cur")); return; } ;;
    stats) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --format --interval -i --no-reset --no-stream --no-trunc --help -h' -- "$cur")); return; } ;;
    stop) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --cidfile --filter -f --ignore -i --latest -l --time -t --signal -s --help -h' -- "$cur")); return; } ;;
    top) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--latest -l --help -h' -- "$cur")); return; } ;;
    unpause) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --cidfile --filter -f --latest -l --help -h' -- "$cur")); return; } ;;
    update) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--blkio-weight --blkio-weight-device --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device-read-bps --device-read-iops --device-write-bps --device-write-iops --memory -m --memory-reservation --memory-swap --memory-swappiness --pids-limit --restart --help -h' -- "$cur")); return; } ;;
    version) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --help -h' -- "$cur")); return; } ;;
    wait) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--condition --ignore --interval -i --latest -l --help -h' -- "$cur")); return; } ;;
    *) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W "$("$1" "$verb" --help 2>/dev/null | grep -oE -- '^ +--[a-z-]+')" -- "$cur")); return; } ;;
    esac
    case ${group/#container/}:$verb in
    network:*) COMPREPLY=($(compgen -W "$("$1" "${global[@]}" network ls -q 2>/dev/null)" -- "$cur")) ;;
    volume:*) COMPREPLY=($(compgen -W "$("$1" "${global[@]}" volume ls -q 2>/dev/null)" -- "$cur")) ;;
    secret:*) COMPREPLY=($(compgen -W "$("$1" "${global[@]}" secret ls --format {{.Name}} 2>/dev/null)" -- "$cur")) ;;
    image:*) COMPREPLY=($(compgen -W "$("$1" "${global[@]}" images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "$cur")) ;;
    :attach|:exec|:inspect|:kill|:logs|:pause|:port|:restart|:rename|:rm|:start|:stats|:stop|:top|:unpause|:update|:wait) COMPREPLY=($(compgen -W "$("$1" "${global[@]}" ps -a --format '{{.Names}}' 2>/dev/null)" -- "$cur")) ;;
    :create|:history|:push|:rmi|:run|:save|:tag|:untag) COMPREPLY=($(compgen -W "$("$1" "${global[@]}" images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "$cur")) ;;
    esac
    [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$cur"))
}
complete -F _brig brig
