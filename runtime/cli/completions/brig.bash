# bash completion for brig; made by generate.sh
_brig() {
    local cur=${COMP_WORDS[COMP_CWORD]} verb= i global=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --root|--runroot|--cgroup-manager|--vm-accel|--log-level) global+=("${COMP_WORDS[i]}" "${COMP_WORDS[i+1]}"); ((i++)) ;;
        -* | container) ;;
        *) verb=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $verb in
    '') COMPREPLY=($(compgen -W 'attach commit cp create diff events exec fsck history image images import info inspect kill load login logout logs oci pause port ps pull push rename restart rm rmi run save start stats stop tag top unpause untag update version wait container healthcheck network volume help --root --runroot --cgroup-manager --vm-accel --log-level --debug -D --version -v --help -h' -- "$cur")); return ;;
    attach) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--detach-keys --no-stdin --sig-proxy --help -h' -- "$cur")); return; } ;;
    commit) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--author -a --change -c --iidfile --message -m --pause -p --quiet -q --help -h' -- "$cur")); return; } ;;
    cp) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--archive -a --follow-link -L --overwrite --quiet -q --help -h' -- "$cur")); return; } ;;
    create) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--add-host --annotation --authfile --blkio-weight --blkio-weight-device --cap-add --cap-drop --cgroup-conf --cgroup-parent --cgroupns --cgroups --cidfile --conmon-pidfile --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device --device-cgroup-rule --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --entrypoint --env -e --env-file --env-host --expose --gidmap --group-add --health-cmd --health-interval --health-retries --health-start-period --health-timeout --hostname -h --image-volume --init --init-path --interactive -i --ip --ip6 --ipc --label -l --label-file --log-driver --log-opt --mac-address --memory -m --memory-reservation --memory-swap --memory-swappiness --mount --name --network --network-alias --no-healthcheck --no-hosts --oom-kill-disable --oom-score-adj --pid --pidfile --pids-limit --platform --preserve-fds --privileged --publish -p --publish-all -P --pull --quiet -q --read-only --read-only-tmpfs --replace --restart --rm --runtime --security-opt --shm-size --stop-signal --stop-timeout --subgidname --subuidname --sysctl --timeout --tls-verify --tmpfs --tty -t --tz --uidmap --ulimit --umask --unsetenv --unsetenv-all --user -u --userns --uts --vm --volume -v --volumes-from --workdir -w --help' -- "$cur")); return; } ;;
    diff) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format --help -h' -- "$cur")); return; } ;;
    events) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--filter -f --format --no-trunc --since --stream --until --help -h' -- "$cur")); return; } ;;
    exec) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--cidfile --detach -d --detach-keys --env -e --env-file --interactive -i --latest -l --preserve-fds --privileged --tty -t --user -u --workdir -w --help -h' -- "$cur")); return; } ;;
    info) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --help -h' -- "$cur")); return; } ;;
    inspect) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --latest -l --size -s --type -t --help -h' -- "$cur")); return; } ;;
    kill) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --latest -l --signal -s --help -h' -- "$cur")); return; } ;;
    logs) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--follow -f --latest -l --names -n --since --tail --timestamps -t --until --help -h' -- "$cur")); return; } ;;
    pause) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter -f --latest -l --help -h' -- "$cur")); return; } ;;
    port) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --latest -l --help -h' -- "$cur")); return; } ;;
    ps) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter -f --format --last -n --latest -l --no-trunc --noheading --quiet -q --size -s --sort --help -h' -- "$cur")); return; } ;;
    rename) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    restart) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter -f --latest -l --running --time -t --help -h' -- "$cur")); return; } ;;
    rm) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter --force -f --ignore -i --latest -l --time -t --volumes -v --help -h' -- "$cur")); return; } ;;
    run) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--attach -a --detach -d --detach-keys --sig-proxy --add-host --annotation --authfile --blkio-weight --blkio-weight-device --cap-add --cap-drop --cgroup-conf --cgroup-parent --cgroupns --cgroups --cidfile --conmon-pidfile --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device --device-cgroup-rule --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --entrypoint --env -e --env-file --env-host --expose --gidmap --group-add --health-cmd --health-interval --health-retries --health-start-period --health-timeout --hostname -h --image-volume --init --init-path --interactive -i --ip --ip6 --ipc --label -l --label-file --log-driver --log-opt --mac-address --memory -m --memory-reservation --memory-swap --memory-swappiness --mount --name --network --network-alias --no-healthcheck --no-hosts --oom-kill-disable --oom-score-adj --pid --pidfile --pids-limit --platform --preserve-fds --privileged --publish -p --publish-all -P --pull --quiet -q --read-only --read-only-tmpfs --replace --restart --rm --runtime --security-opt --shm-size --stop-signal --stop-timeout --subgidname --subuidname --sysctl --timeout --tls-verify --tmpfs --tty -t --tz --uidmap --ulimit --umask --unsetenv --unsetenv-all --user -u --userns --uts --vm --volume -v --volumes-from --workdir -w --help' -- "$cur")); return; } ;;
    start) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all --attach -a --detach-keys --filter -f --interactive -i --latest -l --sig-proxy --help -h' -- "$cur")); return; } ;;
    stats) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --format --interval -i --no-reset --no-stream --no-trunc --help -h' -- "$cur")); return; } ;;
    stop) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter -f --ignore -i --latest -l --time -t --signal -s --help -h' -- "$cur")); return; } ;;
    top) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--help -h' -- "$cur")); return; } ;;
    unpause) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--all -a --filter -f --latest -l --help -h' -- "$cur")); return; } ;;
    update) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--blkio-weight --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --memory -m --memory-reservation --memory-swap --pids-limit --restart --help -h' -- "$cur")); return; } ;;
    version) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--format -f --help -h' -- "$cur")); return; } ;;
    wait) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W '--condition --ignore --latest -l --help -h' -- "$cur")); return; } ;;
    *) [[ $cur = -* ]] && { COMPREPLY=($(compgen -W "$("$1" "$verb" --help 2>/dev/null | grep -oE -- '^ +--[a-z-]+')" -- "$cur")); return; } ;;
    esac
    case $verb in
    attach|exec|inspect|kill|logs|pause|port|restart|rename|rm|start|stats|stop|top|unpause|update|wait) COMPREPLY=($(compgen -W "$("$1" "${global[@]}" ps -a --format '{{.Names}}' 2>/dev/null)" -- "$cur")) ;;
    create|history|push|rmi|run|save|tag|untag) COMPREPLY=($(compgen -W "$("$1" "${global[@]}" images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "$cur")) ;;
    esac
    [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$cur"))
}
complete -F _brig brig
