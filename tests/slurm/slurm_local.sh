#!/usr/bin/env bash
# slurm_local.sh - a throw-away Slurm cluster on one machine, without systemd.
#
#   slurm_local.sh install        apt-get install the packages (Debian/Ubuntu)
#   slurm_local.sh up             write the configuration and start all daemons
#   slurm_local.sh status         one line per daemon, then sinfo and squeue
#   slurm_local.sh down           cancel all jobs, stop every daemon by its pid
#   slurm_local.sh down --purge   the same, and remove the configuration and all state
#   slurm_local.sh jobs           every job of the last hour, id|comment|partition|state|cpus|mem|limit|gres|gpus|node|restarts|start|end|folder
#   slurm_local.sh orphans        job processes that Slurm lost (pid, command)
#   slurm_local.sh kill-node N    kill (-9) the slurmd of node N; its running job steps live on
#   slurm_local.sh fail-node N    kill slurmd and every process of its jobs: a dead host
#   slurm_local.sh start-node N   start the slurmd of node N again
#
# Runs as root.  Idempotent: `up` on a running cluster only starts what is missing,
# `down` on a stopped one does nothing.  It signals only the processes in its own pid
# files (if their command name matches), step daemons that hold its own spool or log
# files open, and processes whose environment names this cluster.
#
# Knobs (environment):
#   SLURM_LOCAL_ACCOUNTING  none | dbd     none: squeue only.  dbd: MariaDB + slurmdbd, sacct works
#   SLURM_LOCAL_DIR         state, spool, logs, pids           (/var/tmp/slurm-local)
#   SLURM_LOCAL_NODES_CPU   nodes of partition "cpu"           (1)
#   SLURM_LOCAL_NODES_GPU   nodes of partition "gpu"           (1)
#   SLURM_LOCAL_CPUS        CPUs that each node pretends       (4)
#   SLURM_LOCAL_MEM_MB      memory that each node pretends     (8000)
#   SLURM_LOCAL_GPUS        GPUs per gpu node                  (2; fake unless /dev/nvidia0..N-1 exist)
#   SLURM_LOCAL_CGROUP      none | v1      v1: writable cgroup-v1 memory+freezer hierarchies (none)
#   SLURM_LOCAL_PORT_BASE   ports BASE+6, +17, +19, +101... on loopback (16800)
#   SLURM_LOCAL_NODE_TIMEOUT seconds until a silent slurmd is DOWN (20)
set -euo pipefail

ACCOUNTING=${SLURM_LOCAL_ACCOUNTING:-none}
BASE=${SLURM_LOCAL_DIR:-/var/tmp/slurm-local}
N_CPU=${SLURM_LOCAL_NODES_CPU:-1}
N_GPU=${SLURM_LOCAL_NODES_GPU:-1}
CPUS=${SLURM_LOCAL_CPUS:-4}
MEM_MB=${SLURM_LOCAL_MEM_MB:-8000}
GPUS=${SLURM_LOCAL_GPUS:-2}
CGROUP=${SLURM_LOCAL_CGROUP:-none}
NODE_TIMEOUT=${SLURM_LOCAL_NODE_TIMEOUT:-20}

# The compiled-in place: snakemake's slurm plugin drops SLURM_CONF from the environment of
# the inner srun, so a configuration elsewhere does not reach it.
CONF=/etc/slurm
MARK="# written by slurm_local.sh"
CLUSTER=slurmlocal
HOST=$(hostname -s)
# Listen on the address of our own host name only, when that is an address of this machine
# (127.0.0.1 or 127.0.1.1 as a rule, its own address in a container); else on all addresses.
ADDR=$(getent ahostsv4 "$HOST" 2>/dev/null | awk 'NR==1{print $1}' || true)
case "$ADDR" in
  127.* | "") ;;
  *) case " $(hostname -I 2>/dev/null || true) " in *" $ADDR "*) ;; *) ADDR="" ;; esac ;;
esac
BIND=NoInAddrAny,NoCtldInAddrAny
[ -n "$ADDR" ] || { ADDR=127.0.0.1 BIND=""; }
RUN=$BASE/run LOG=$BASE/log STATE=$BASE/state SPOOL=$BASE/spool DB=$BASE/mariadb
PORT=${SLURM_LOCAL_PORT_BASE:-16800}
[[ $PORT =~ ^[0-9]{1,5}$ ]] || { echo "SLURM_LOCAL_PORT_BASE=$PORT is no number" >&2; exit 1; }
CTLD_PORT=$((PORT + 17)) DBD_PORT=$((PORT + 19)) DB_PORT=$((PORT + 6)) NODE_PORT=$((PORT + 100))
MUNGE=$BASE/munge           # own munged: own key, own socket
# Pass only a plain environment to the daemons: jobs do not inherit it (they get the
# submitter's), but a daemon must not see SLURM_* of an outer job.
CLEAN_ENV=(env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root)

say() { printf 'slurm_local: %s\n' "$*"; }
die() { printf 'slurm_local: ERROR: %s\n' "$*" >&2; exit 1; }

nodes() {
  local i
  for ((i = 1; i <= N_CPU; i++)); do echo "c$i"; done
  for ((i = 1; i <= N_GPU; i++)); do echo "g$i"; done
}

# alive PIDFILE NAME: prints the pid when the recorded process lives and is called NAME
alive() {
  local pid
  [ -s "$1" ] || return 1
  pid=$(cat "$1" 2>/dev/null | tr -dc 0-9)
  [ -n "$pid" ] && [ -r "/proc/$pid/comm" ] || return 1
  # a container's pid 1 may not reap: a zombie is dead
  [ "$(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null)" != Z ] || return 1
  case "$(cat "/proc/$pid/comm")" in "$2"*) echo "$pid" ;; *) return 1 ;; esac
}

# daemon NAME ARGS...: start a daemon that puts itself into the background
daemon() { (cd / && exec "${CLEAN_ENV[@]}" "/usr/sbin/$1" "${@:2}" </dev/null >/dev/null 2>&1); }

die_log() {
  { grep -aE 'fatal|error' "$1" || true; } 2>/dev/null | grep -av pmix | tail -n 5 >&2
  die "see $1"
}

knobs() {
  echo "ACCOUNTING=$ACCOUNTING N_CPU=$N_CPU N_GPU=$N_GPU CPUS=$CPUS MEM_MB=$MEM_MB GPUS=$GPUS CGROUP=$CGROUP" \
    "NODE_TIMEOUT=$NODE_TIMEOUT PORT=$PORT"
}

# set_knob KEY VALUE: bash would execute what stands in an index or a number
set_knob() {
  case $1 in
    ACCOUNTING | CGROUP) [[ $2 =~ ^[a-z0-9]+$ ]] || die "$1=$2 is no word" ;;
    N_CPU | N_GPU | CPUS | MEM_MB | GPUS | NODE_TIMEOUT | PORT)
      [[ $2 =~ ^[0-9]{1,9}$ ]] || die "$1=$2 is no number" ;;
    *) die "$1 is no knob" ;;
  esac
  printf -v "$1" %s "$2"
}

# owned PATH: it is ours, no link, and nobody else may write to it
owned() {
  [ ! -L "$1" ] && [ -O "$1" ] && [ -z "$(find "$1" -maxdepth 0 -perm /022)" ] ||
    die "$1 belongs to somebody else, may be written by others, or is a link; delete it, or set SLURM_LOCAL_DIR"
}

# every command but `up` takes the knobs that the cluster was started with
load_knobs() {
  local kv words
  [ -e "$BASE" ] || [ -L "$BASE" ] || return 0
  owned "$BASE"
  [ -e "$BASE/knobs" ] || [ -L "$BASE/knobs" ] || return 0
  owned "$BASE/knobs"
  read -r -a words <"$BASE/knobs" || true
  for kv in "${words[@]}"; do set_knob "${kv%%=*}" "${kv#*=}"; done
}

running() {
  local f
  alive "$RUN/slurmctld.pid" slurmctld >/dev/null && return 0
  for f in "$RUN"/slurmd-*.pid; do alive "$f" slurmd >/dev/null && return 0; done
  return 1
}

# wait_for SECONDS COMMAND...
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# stop PIDFILE NAME [SIGNAL]
stop() {
  local pid i
  if pid=$(alive "$1" "$2"); then
    kill "-${3:-TERM}" "$pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
      alive "$1" "$2" >/dev/null || break
      sleep 0.1
    done
    if alive "$1" "$2" >/dev/null; then
      say "$2 ($pid) does not end, SIGKILL"
      kill -KILL "$pid" 2>/dev/null || true
      sleep 0.2
    fi
  fi
  rm -f "$1"
}

pkg_install() {
  local pk=(munge slurm-wlm)
  [ "$ACCOUNTING" = dbd ] && pk+=(slurmdbd mariadb-server)
  local missing=() p
  for p in "${pk[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >/dev/null
  # keep a package's postinst from starting its (unconfigured) daemon
  local made=0
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    made=1
  fi
  apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
  [ $made = 0 ] || rm -f /usr/sbin/policy-rc.d
}

write_conf() {
  local f g i n gres_file
  mkdir -p "$CONF"
  for f in slurm.conf gres.conf slurmdbd.conf cgroup.conf; do
    if [ -e "$CONF/$f" ] && ! grep -qF "$MARK" "$CONF/$f"; then
      die "$CONF/$f exists and is not mine"
    fi
  done
  # memory limits: without cgroups slurmd samples the process tree and kills the step
  # (the job then ends as FAILED); with the memory cgroup the kernel kills (OUT_OF_MEMORY)
  local limits="ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss"
  if [ "$CGROUP" = v1 ]; then
    [ -w /sys/fs/cgroup/memory ] && [ -w /sys/fs/cgroup/freezer ] || die "no writable cgroup v1 hierarchies"
    limits="ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup
JobAcctGatherFrequency=task=1"
    printf '%s\n' "$MARK" CgroupPlugin=cgroup/v1 CgroupAutomount=no ConstrainRAMSpace=yes \
      ConstrainCores=no ConstrainDevices=no >"$CONF/cgroup.conf"
  else
    rm -f "$CONF/cgroup.conf"
  fi
  {
    echo "$MARK"
    cat <<CONF_EOF
ClusterName=$CLUSTER
SlurmctldHost=$HOST($ADDR)
SlurmUser=slurm
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$MUNGE/socket,cred_expire=20
CredType=cred/munge
${BIND:+CommunicationParameters=$BIND}
MailProg=/bin/true
SlurmctldPort=$CTLD_PORT
SlurmdPort=$NODE_PORT

SlurmctldPidFile=$RUN/slurmctld.pid
SlurmctldLogFile=$LOG/slurmctld.log
SlurmctldDebug=info
StateSaveLocation=$STATE
SlurmdPidFile=$RUN/slurmd-%n.pid
SlurmdLogFile=$LOG/slurmd-%n.log
SlurmdDebug=info
SlurmdSpoolDir=$SPOOL/%n

$limits
SwitchType=switch/none
MpiDefault=none
PropagateResourceLimitsExcept=MEMLOCK
# pretend the sizes below, whatever the machine has
SlurmdParameters=config_overrides

SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5
PriorityType=priority/basic
DefMemPerCPU=500
EnforcePartLimits=ALL
GresTypes=gpu

# quick reactions: this is a test cluster
SlurmctldTimeout=30
SlurmdTimeout=$NODE_TIMEOUT
ReturnToService=2
MessageTimeout=10
KillWait=3
InactiveLimit=0
CompleteWait=0
MinJobAge=3600
MaxArraySize=1001
JobRequeue=1
CONF_EOF
    if [ "$ACCOUNTING" = dbd ]; then
      cat <<CONF_EOF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$ADDR
AccountingStoragePort=$DBD_PORT
AccountingStoragePass=$MUNGE/socket
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu
JobCompType=jobcomp/none
CONF_EOF
    else
      cat <<CONF_EOF
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$LOG/jobcomp.txt
CONF_EOF
    fi
    echo
    i=0
    for n in $(nodes); do
      i=$((i + 1))
      case $n in g*) g=" Gres=gpu:$GPUS" ;; *) g="" ;; esac
      echo "NodeName=$n NodeHostname=$n NodeAddr=$ADDR Port=$((NODE_PORT + i)) CPUs=$CPUS RealMemory=$MEM_MB$g State=UNKNOWN"
    done
    [ "$N_CPU" -gt 0 ] && echo "PartitionName=cpu Nodes=$(nodes | grep ^c | paste -sd,) Default=YES MaxTime=INFINITE DefaultTime=10 State=UP"
    [ "$N_GPU" -gt 0 ] && echo "PartitionName=gpu Nodes=$(nodes | grep ^g | paste -sd,) Default=NO MaxTime=INFINITE DefaultTime=10 State=UP"
    true
  } >"$CONF/slurm.conf.new"
  {
    echo "$MARK"
    # a gpu gres without File= is reported as 0 by slurmd 22.05, so fake devices get nodes
    local dev=/dev/nvidia
    if ! [ -e /dev/nvidia0 ] || ! [ -e "/dev/nvidia$((GPUS - 1))" ]; then
      dev=$BASE/fakegpu
      for ((i = 0; i < GPUS; i++)); do
        [ -e "$dev$i" ] || mknod -m 666 "$dev$i" c 1 3 2>/dev/null || : >"$dev$i"
      done
    fi
    gres_file="File=${dev}[0-$((GPUS - 1))]"
    [ "$GPUS" = 1 ] && gres_file="File=${dev}0"
    for n in $(nodes | grep ^g || true); do echo "NodeName=$n Name=gpu $gres_file"; done
  } >"$CONF/gres.conf.new"
  chmod 644 "$CONF/slurm.conf.new" "$CONF/gres.conf.new"
  mv "$CONF/slurm.conf.new" "$CONF/slurm.conf"
  mv "$CONF/gres.conf.new" "$CONF/gres.conf"
  if [ "$ACCOUNTING" = dbd ]; then
    [ -s "$BASE/db.pass" ] || (umask 077; od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$BASE/db.pass")
    (
      umask 077
      cat >"$CONF/slurmdbd.conf.new" <<CONF_EOF
$MARK
DbdHost=$HOST
DbdAddr=$ADDR
DbdPort=$DBD_PORT
SlurmUser=slurm
AuthType=auth/munge
AuthInfo=socket=$MUNGE/socket
LogFile=$LOG/slurmdbd.log
PidFile=$RUN/slurmdbd.pid
DebugLevel=info
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$DB_PORT
StorageUser=slurm
StoragePass=$(cat "$BASE/db.pass")
StorageLoc=slurm_acct_db
CONF_EOF
    )
    chown slurm: "$CONF/slurmdbd.conf.new"
    chmod 600 "$CONF/slurmdbd.conf.new"
    mv "$CONF/slurmdbd.conf.new" "$CONF/slurmdbd.conf"
  fi
}

start_munge() {
  alive "$MUNGE/pid" munged >/dev/null && return 0
  install -d -o munge -g munge -m 0755 "$MUNGE"
  install -d -o munge -g munge -m 0700 "$MUNGE/private"
  if [ ! -s "$MUNGE/private/key" ]; then
    dd if=/dev/urandom of="$MUNGE/private/key" bs=128 count=1 status=none
    chown munge: "$MUNGE/private/key"
    chmod 400 "$MUNGE/private/key"
  fi
  rm -f "$MUNGE/socket" "$MUNGE/socket.lock"
  setpriv --reuid=munge --regid=munge --init-groups "${CLEAN_ENV[@]}" /usr/sbin/munged \
    --socket="$MUNGE/socket" --key-file="$MUNGE/private/key" --pid-file="$MUNGE/pid" \
    --seed-file="$MUNGE/private/seed" --log-file="$MUNGE/private/munged.log"
  wait_for 10 sh -c "munge -n -S '$MUNGE/socket' | unmunge -S '$MUNGE/socket'" ||
    die "munged does not answer, see $MUNGE/private/munged.log"
}

start_db() {
  if ! alive "$RUN/mariadbd.pid" mariadbd >/dev/null; then
    install -d -o mysql -g mysql -m 0700 "$DB"
    if [ ! -d "$DB/mysql" ]; then
      mariadb-install-db --no-defaults --user=mysql --datadir="$DB" --skip-test-db \
        --auth-root-authentication-method=socket >"$LOG/mariadb-install.log" 2>&1
    fi
    "${CLEAN_ENV[@]}" setsid /usr/sbin/mariadbd --no-defaults --user=mysql --datadir="$DB" \
      --bind-address=127.0.0.1 --port=$DB_PORT --socket="$DB/m.sock" --pid-file="$DB/m.pid" \
      --innodb-buffer-pool-size=64M --innodb-log-file-size=32M --innodb-lock-wait-timeout=900 \
      --innodb-flush-log-at-trx-commit=2 --skip-log-bin --log-error="$LOG/mariadb.log" \
      </dev/null >/dev/null 2>&1 &
    wait_for 60 mariadb-admin --no-defaults --socket="$DB/m.sock" -u root ping || die "mariadbd, see $LOG/mariadb.log"
    cp "$DB/m.pid" "$RUN/mariadbd.pid"
    mariadb --no-defaults --socket="$DB/m.sock" -u root <<SQL
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE OR REPLACE USER 'slurm'@'127.0.0.1' IDENTIFIED BY '$(cat "$BASE/db.pass")';
CREATE OR REPLACE USER 'slurm'@'localhost' IDENTIFIED BY '$(cat "$BASE/db.pass")';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost';
SQL
  fi
  if ! alive "$RUN/slurmdbd.pid" slurmdbd >/dev/null; then
    daemon slurmdbd || die_log "$LOG/slurmdbd.log"
    wait_for 60 sacctmgr -n show cluster || die_log "$LOG/slurmdbd.log"
  fi
  # a cluster and an account for whoever runs the tests
  sacctmgr -i -Q add cluster $CLUSTER >/dev/null 2>&1 || true
  sacctmgr -i -Q add account test Cluster=$CLUSTER Description=test Organization=test >/dev/null 2>&1 || true
  sacctmgr -i -Q add user root DefaultAccount=test Cluster=$CLUSTER >/dev/null 2>&1 || true
}

start_node() {
  local n=$1
  alive "$RUN/slurmd-$n.pid" slurmd >/dev/null && return 0
  mkdir -p "$SPOOL/$n"
  daemon slurmd -N "$n" || die_log "$LOG/slurmd-$n.log"
  wait_for 10 alive "$RUN/slurmd-$n.pid" slurmd || die_log "$LOG/slurmd-$n.log"
}

queue_empty() { [ -z "$(squeue -h -o %A)" ]; }

ctld_up() { scontrol ping | grep -q 'is UP'; }

nodes_ready() {
  # every node idle, mixed or allocated, and responding (no trailing * or other flag)
  [ -z "$(sinfo -h -N -o %T | grep -v -x -E 'idle|mixed|allocated|completing' || true)" ] &&
    [ "$(sinfo -h -N -o %N | sort -u | wc -l)" -eq "$(nodes | wc -l)" ]
}

up() {
  [ "$(id -u)" = 0 ] || die "run as root"
  local t0=$SECONDS n
  pkg_install
  [ -d "$BASE" ] || mkdir -p -m 755 "$BASE"
  owned "$BASE"
  [ ! -e "$BASE/knobs" ] || owned "$BASE/knobs"
  install -d -m 0755 "$RUN" "$LOG" "$SPOOL" "$STATE"
  chown slurm: "$RUN" "$LOG" "$STATE"
  if running; then
    # a running cluster keeps its configuration
    [ "$(cat "$BASE/knobs")" = "$(knobs)" ] || die "it runs as '$(cat "$BASE/knobs")', not '$(knobs)': down first"
  else
    write_conf
    knobs >"$BASE/knobs"
  fi
  # with no IPv4 address but 127.0.0.1 (a container without a network) getaddrinfo's
  # AI_ADDRCONFIG hides IPv4 from Slurm: a second loopback address is enough
  if ! hostname -I 2>/dev/null | grep -q '[0-9]\.' && command -v ip >/dev/null; then
    ip addr add 127.0.0.2/8 dev lo 2>/dev/null || true
  fi
  start_munge
  [ "$ACCOUNTING" = dbd ] && start_db
  if ! alive "$RUN/slurmctld.pid" slurmctld >/dev/null; then
    daemon slurmctld || die_log "$LOG/slurmctld.log"
    wait_for 20 ctld_up || die_log "$LOG/slurmctld.log"
  fi
  for n in $(nodes); do start_node "$n"; done
  # a node drained or down in an earlier life stays so in the saved state
  for n in $(sinfo -h -N -t drain,down -o %N 2>/dev/null | sort -u); do
    scontrol update "nodename=$n" state=resume >/dev/null 2>&1 || true
  done
  if ! wait_for 30 nodes_ready; then
    sinfo -N -l
    sinfo -R
    die "nodes are not ready after 30 s, see $LOG"
  fi
  say "up after $((SECONDS - t0)) s (accounting: $ACCOUNTING)"
}

down() {
  local n f pid id
  if alive "$RUN/slurmctld.pid" slurmctld >/dev/null && command -v squeue >/dev/null; then
    id=$(timeout 10 squeue -h -o %A 2>/dev/null | sort -u || true)
    if [ -n "$id" ]; then
      # shellcheck disable=SC2086
      timeout 20 scancel $id 2>/dev/null || true
      wait_for 15 queue_empty || true
    fi
  fi
  for f in "$RUN"/slurmd-*.pid; do
    [ -e "$f" ] && stop "$f" slurmd
  done
  # step daemons that outlived their slurmd, then what no step daemon held
  for pid in $(stepds); do kill -KILL "$pid" 2>/dev/null || true; done
  orphans | while read -r pid n; do
    say "killing left-over job process $pid: $n"
    kill -KILL "$pid" 2>/dev/null || true
  done
  for n in $(nodes); do
    for f in /sys/fs/cgroup/*/"slurm_$n"; do [ -d "$f" ] && find "$f" -depth -type d -exec rmdir {} + 2>/dev/null; done
  done
  stop "$RUN/slurmctld.pid" slurmctld
  stop "$RUN/slurmdbd.pid" slurmdbd
  stop "$RUN/mariadbd.pid" mariadbd
  stop "$MUNGE/pid" munged
  if [ "${1:-}" = --purge ]; then
    for f in slurm.conf gres.conf slurmdbd.conf cgroup.conf; do
      [ -e "$CONF/$f" ] && grep -qF "$MARK" "$CONF/$f" && rm -f "$CONF/$f"
    done
    rm -rf "$BASE"
  fi
  say "down"
}

# pids of slurmstepd processes that work in our spool directory; with a node name, of that node
stepds() {
  local p
  for p in /proc/[0-9]*; do
    [ "$(cat "$p/comm" 2>/dev/null)" = slurmstepd ] || continue
    # shellcheck disable=SC2010
    if ls -l "$p/fd" 2>/dev/null | grep -qE -- "-> $SPOOL/${1:-[^/]+}(/| |$)|-> $LOG/slurmd-${1:-[^/]+}\.log"; then
      echo "${p#/proc/}"
    fi
  done
  return 0
}

# pids of job processes (of this cluster, by their environment) that no step daemon holds any more:
# proctrack/linuxproc loses a process whose parent died first
orphans() {
  local p pid own=" " held
  pid=$$
  while [ "$pid" -gt 1 ]; do own="$own$pid "; pid=$(awk '/^PPid/{print $2}' "/proc/$pid/status"); done
  held=" $(for p in $(stepds); do descendants "$p"; done | tr '\n' ' ') "
  for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    case "$own$held" in *" $pid "*) continue ;; esac
    grep -qzx "SLURM_CLUSTER_NAME=$CLUSTER" "$p/environ" 2>/dev/null && grep -qz '^SLURM_JOB_ID=' "$p/environ" 2>/dev/null &&
      echo "$pid $(tr '\0' ' ' <"$p/cmdline" | cut -c1-120)"
  done
  return 0
}

descendants() {
  local c
  # shellcheck disable=SC2013
  for c in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
    echo "$c"
    descendants "$c"
  done
}

kill_node() { stop "$RUN/slurmd-$1.pid" slurmd KILL; }

fail_node() {
  local p d
  kill_node "$1"
  for p in $(stepds "$1"); do
    d=$(descendants "$p")
    # shellcheck disable=SC2086
    kill -KILL "$p" $d 2>/dev/null || true
  done
}

status() {
  local f n rc=0 pid
  for f in munged:$MUNGE/pid mariadbd:$RUN/mariadbd.pid slurmdbd:$RUN/slurmdbd.pid slurmctld:$RUN/slurmctld.pid; do
    case ${f%%:*} in mariadbd | slurmdbd) [ "$ACCOUNTING" = dbd ] || continue ;; esac
    if pid=$(alive "${f#*:}" "${f%%:*}"); then echo "${f%%:*} running $pid"; else echo "${f%%:*} not running"; rc=3; fi
  done
  for n in $(nodes); do
    if pid=$(alive "$RUN/slurmd-$n.pid" slurmd); then echo "slurmd $n running $pid"; else echo "slurmd $n not running"; rc=3; fi
  done
  if [ $rc = 0 ]; then
    sinfo -N -o '%N %P %T %c %m %G'
    squeue
  fi
  return $rc
}

jobs_table() {
  # --gres=gpu:1 shows as tres-per-node, --gpus=1 as tres-per-job
  squeue --states=all -h -S i \
    -O 'JobID:|,Comment:|,Partition:|,State:|,NumCPUs:|,MinMemory:|,TimeLimit:|,tres-per-node:|,tres-per-job:|,NodeList:|,RestartCnt:|,StartTime:|,EndTime:|,WorkDir:'
}

# those of the environment
for knob in ACCOUNTING N_CPU N_GPU CPUS MEM_MB GPUS CGROUP NODE_TIMEOUT PORT; do
  set_knob "$knob" "${!knob}"
done
[ "${1:-}" = up ] || [ "${1:-}" = install ] || load_knobs
case "${1:-}" in
  install) pkg_install ;;
  up) up ;;
  down) shift; down "$@" ;;
  status) status ;;
  jobs) jobs_table ;;
  orphans) orphans ;;
  kill-node) kill_node "$2" ;;
  fail-node) fail_node "$2" ;;
  start-node) start_node "$2" ;;
  *) sed -n '2,14p' "$0" | sed 's/^# \{0,1\}//'; exit 2 ;;
esac
