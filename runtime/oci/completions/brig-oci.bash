# bash completion for brig-oci and brig-vm; made by generate.sh
_brig_oci() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i root=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --root) root=(--root "${COMP_WORDS[i+1]}"); ((i++)) ;;
        --root|--log|--log-format|--log-level|--cgroup-manager|--rootless|--vm-accel|--criu) ((i++)) ;;
        -*) ;;
        *) verb=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $prev in
    --bundle|-b|--config|--log|--root|--pid-file|--console-socket|--pidfd-socket|--process|-p|--resources|--image-path|--work-path|--parent-path) [[ $verb = list || $verb = ps ]] || { COMPREPLY=($(compgen -f -- "$cur")); return; } ;;
    --log-format) COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
    --log-level) COMPREPLY=($(compgen -W 'error warning info debug' -- "$cur")); return ;;
    --cgroup-manager) COMPREPLY=($(compgen -W 'cgroupfs systemd disabled' -- "$cur")); return ;;
    --rootless) COMPREPLY=($(compgen -W 'auto true false' -- "$cur")); return ;;
    --vm-accel) COMPREPLY=($(compgen -W 'auto kvm emulate' -- "$cur")); return ;;
    --format) COMPREPLY=($(compgen -W 'table json' -- "$cur")); return ;;
    esac
    case $verb in
    '') COMPREPLY=($(compgen -W 'checkpoint create delete events exec features kill list pause ps restore resume run spec start state update help --root --log --log-format --log-level --debug --systemd-cgroup --cgroup-manager --rootless --strict --vm-accel --criu --version -v --help -h' -- "$cur")); return ;;
    checkpoint) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--image-path --work-path --parent-path --leave-running --pre-dump --tcp-established --tcp-skip-in-flight --tcp-close --ext-unix-sk --shell-job --lazy-pages --status-fd --page-server --file-locks --link-remap --manage-cgroups-mode --empty-ns --auto-dedup --network-lock --help -h' -- "$cur")) ;;
    create) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--bundle -b --config -f --console-socket --pid-file --pidfd-socket --no-pivot --no-new-keyring --preserve-fds --dry-run --help -h' -- "$cur")) ;;
    delete) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--force -f --regex -r --help -h' -- "$cur")) ;;
    events) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--interval --stats --help -h' -- "$cur")) ;;
    exec) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--process -p --detach -d --console-socket --pid-file --pidfd-socket --cwd -w --env -e --tty -t --user -u --additional-gids -g --cap -c --no-new-privs --process-label --apparmor --preserve-fds --ignore-paused --cgroup --help -h' -- "$cur")) ;;
    features) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--help -h' -- "$cur")) ;;
    kill) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--all -a --regex -r --help -h' -- "$cur")) ;;
    list) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--format -f --quiet -q --help -h' -- "$cur")) ;;
    pause) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--help -h' -- "$cur")) ;;
    ps) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--format -f --help -h' -- "$cur")) ;;
    restore) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--bundle -b --detach -d --pid-file --console-socket --no-pivot --no-subreaper --image-path --work-path --tcp-established --tcp-close --ext-unix-sk --shell-job --file-locks --link-remap --manage-cgroups-mode --empty-ns --auto-dedup --lazy-pages --lsm-profile --lsm-mount-context --network-lock --help -h' -- "$cur")) ;;
    resume) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--help -h' -- "$cur")) ;;
    run) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--bundle -b --config -f --console-socket --detach -d --keep --pid-file --pidfd-socket --no-subreaper --no-pivot --no-new-keyring --preserve-fds --help -h' -- "$cur")) ;;
    spec) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--bundle -b --file -f --rootless --help -h' -- "$cur")) ;;
    start) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--help -h' -- "$cur")) ;;
    state) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--help -h' -- "$cur")) ;;
    update) [[ $cur = -* ]] && COMPREPLY=($(compgen -W '--resources -r --blkio-weight --cpu-burst --cpu-idle --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-share --cpuset-cpus --cpuset-mems --memory --memory-reservation --memory-swap --kernel-memory --kernel-memory-tcp --pids-limit --l3-cache-schema --mem-bw-schema --help -h' -- "$cur")) ;;
    help) COMPREPLY=($(compgen -W "$("$1" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')" -- "$cur")); return ;;
    esac
    if [[ $cur != -* && $verb != create && $verb != run && $verb != restore && $verb != spec ]]; then
        COMPREPLY=($(compgen -W "$("$1" "${root[@]}" list -q 2>/dev/null)" -- "$cur"))
    fi
}
complete -F _brig_oci brig-oci brig-vm
