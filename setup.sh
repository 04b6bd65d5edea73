#!/usr/bin/env bash
# Makes .venv with magno, its tools and, on x86-64, a ROS 2 with our interfaces. `make setup` calls it.
#
#   PYTHON=python3.12 ./setup.sh     another Python, 3.10 or newer
#   ./setup.sh test                  the same, and what tests want beside it: GStreamer for live cameras, TensorRT-RTX for
#                                    engines. `make test` calls it.
#
# Every step leaves a stamp in .venv, named by a hash of what it was made from: a step runs again when its
# inputs changed or when it was cut short, and a set-up that is complete costs well under a second.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
root=$PWD venv=$PWD/.venv stamps=$PWD/.venv/.magno-setup logs=$PWD/build
python=${PYTHON:-python3}
torch=torch==2.13.0 # a CPU build where pip is given an index that has one (PIP_EXTRA_INDEX_URL)
# GStreamer and its RTSP server, for tests; on a robot only for cameras that are named by a gst: pipeline.
test_packages=(
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-rtsp-server-1.0
)
heartbeat_s=10 long_heartbeat_s=30 # the long one once a step is a minute old
# A sourced ROS would shadow the one in the venv; a venv switched on elsewhere is none of ours.
unset PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH COLCON_PREFIX_PATH CMAKE_PREFIX_PATH VIRTUAL_ENV
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# watch PID TEXT: tells every now and then that a step is still at work.
watch() {
  local began=$SECONDS told=$SECONDS every=$heartbeat_s
  while kill -0 "$1" 2>/dev/null; do
    sleep 0.2
    if [ -t 1 ]; then
      printf '\r\033[Ksetup: %s, %d s' "$2" $((SECONDS - began))
    elif ((SECONDS - told >= every)); then
      told=$SECONDS
      ((SECONDS - began < 60)) || every=$long_heartbeat_s
      say "  still at it, $((SECONDS - began)) s"
    fi
  done
  [ -t 1 ] && printf '\r\033[K'
  return 0
}

# attempt NAME TEXT KEY COMMAND...: runs COMMAND unless it has already been run with the same KEY; its exit code.
child=
attempt() {
  local name=$1 text=$2 key=$3 log=$logs/setup-$1.log began=$SECONDS status=0
  shift 3
  [ "$(cat "$stamps/$name" 2>/dev/null || true)" = "$key" ] && return
  rm -f "$stamps/$name"
  say "$text"
  set -m # a process group of its own, so that an interrupt ends its compilers too
  "$@" >"$log" 2>&1 </dev/null 9>&- &
  child=$!
  set +m
  watch "$child" "$name"
  wait "$child" || status=$?
  child=
  if [ "$status" != 0 ]; then
    tail -n 25 "$log" >&2
    return "$status"
  fi
  mkdir -p "$stamps"
  printf '%s\n' "$key" >"$stamps/$name"
  say "  $name done, $((SECONDS - began)) s"
}
# step, with the same words: the set-up ends where it fails.
step() {
  local status=0
  attempt "$@" || status=$?
  [ "$status" = 0 ] || die "$1 failed (exit code $status); the whole log is build/setup-$1.log. ${hint:-}"
}
stop() {
  if [ -n "$child" ]; then
    kill -TERM -- "-$child" 2>/dev/null && wait "$child" 2>/dev/null || true
  fi
  printf '\n' >&2
  die "interrupted; run it again, it goes on with the step it was at."
}
trap stop INT TERM HUP

# key FILE_OR_FOLDER...: a hash of names and contents.
key() { find "$@" -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32; }

# What pip and CMake need of the system, as Debian and Ubuntu package it.
system_packages() {
  command -v "$python" >/dev/null || die "wanted $python, found none; install Python 3.10 or newer, or give PYTHON=."
  local version missing=()
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2] if sys.version_info >= (3, 10) else "")')
  [ -n "$version" ] || die "wanted Python 3.10 or newer, found $("$python" --version 2>&1); give a newer one as PYTHON=."
  command -v c++ >/dev/null || command -v g++ >/dev/null ||
    die "wanted a C++ compiler, found none; install one (Debian, Ubuntu: sudo apt-get install g++)."
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("python$version-venv")
  "$python" -c 'import os, sysconfig as s; open(os.path.join(s.get_paths()["include"], "Python.h"))' 2>/dev/null ||
    missing+=("python$version-dev")
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || die "wanted venv and headers of Python $version, found them missing; install them."
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "wanted ${missing[*]}, found no right to install it; as root: apt-get install ${missing[*]}."
    say "installing ${missing[*]} with apt-get through sudo, which may ask for your password"
    sudo -v || die "wanted ${missing[*]}; as root: apt-get install ${missing[*]}, then run this again."
    sudo=(sudo)
  fi
  hint="As root: apt-get install ${missing[*]}, then run this again." stamps=$logs/.magno-setup \
    step apt "installing ${missing[*]} with apt-get (under a minute)" "$(date +%s%N)" \
    apt_install "${sudo[@]+"${sudo[@]}"}" -- "${missing[@]}"
}
apt_install() {
  local before=()
  while [ "$1" != -- ]; do before+=("$1") && shift; done
  shift
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::http::Timeout=15)
  "${before[@]+"${before[@]}"}" "${apt[@]}" update
  "${before[@]+"${before[@]}"}" "${apt[@]}" install -y --no-install-recommends "$@"
}

# What tests want of the system and can do without: nothing here ends the set-up, or waits for a password.
install_test_packages() {
  local states sudo=() as_root="as root: apt-get install ${test_packages[*]}"
  local skipped="tests that want GStreamer will be skipped"
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "found no apt-get to install GStreamer with: $skipped."
    return
  fi
  states=$(dpkg-query -W -f '${db:Status-Status}\n' "${test_packages[@]}" 2>&1 || true)
  [ "$(sort -u <<<"$states")" != installed ] || return 0
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || { say "found no right to install GStreamer: $skipped; $as_root" && return; }
    sudo=(sudo -n)
  fi
  stamps=$logs/.magno-setup attempt gstreamer "installing GStreamer with apt-get (about half a minute)" "$(date +%s%N)" \
    apt_install "${sudo[@]+"${sudo[@]}"}" -- "${test_packages[@]}" ||
    say "GStreamer could not be installed: $skipped; $as_root"
}

# TensorRT-RTX builds engines without a GPU: tests build real ones.
install_rtx() {
  [ "$(uname -m)" = x86_64 ] || { say "TensorRT-RTX has no wheels for $(uname -m): tests that build engines will be skipped." && return; }
  attempt rtx "installing TensorRT-RTX (230 MB)" "$(key setup.py)" pip_install -e '.[rtx]' ||
    say "TensorRT-RTX could not be installed: tests that build engines will be skipped."
}

# Another maker's DDS in an environment without ROS: what the node says on the wire is tested with it.
make_dds_peer() {
  "$venv/bin/python" -m venv --clear "$venv/dds-peer" &&
    "$venv/dds-peer/bin/python" -m pip install --progress-bar off cyclonedds==11.0.1
}
install_dds_peer() {
  [ "$(uname -m)" = x86_64 ] || return 0
  attempt dds-peer "installing another maker's DDS (seconds)" "cyclonedds 11.0.1" make_dds_peer ||
    say "cyclonedds could not be installed: the test of the wire will be skipped."
}

version_of() { "$1" -c 'import sys; print(sys.version_info[:2])'; }
# A .venv that is there is kept when it works, was made in this place and has the Python that was asked for.
venv_usable() {
  "$venv/bin/python" -m pip --version && head -c 999 "$venv/bin/pip" | grep -qF "$venv/bin/" || return 1
  [ -z "${PYTHON:-}" ] || [ "$(version_of "$venv/bin/python")" = "$(version_of "$python")" ]
}
make_venv() { venv_usable || "$python" -m venv --clear "$venv"; }

pip_install() { "$venv/bin/python" -m pip install --progress-bar off "$@"; }
install_ros() { pip_install -r ros2_pkg/pip/requirements-ros.txt -r ros2_pkg/pip/requirements-ros-build.txt; }
# build_messages PACKAGE_FOLDER...: into the venv, as colcon would into a workspace.
build_messages() {
  local package build
  export PATH=$venv/bin:$PATH AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv
  for package in "$@"; do
    build=$logs/$(basename "$package")
    rm -rf "$build"
    cmake -S "$package" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
      -DCMAKE_INSTALL_PREFIX="$venv" -DPython3_EXECUTABLE="$venv/bin/python" \
      -DCMAKE_PROJECT_INCLUDE="$root/ros2_pkg/pip/wheel_paths.cmake" &&
      cmake --build "$build" && cmake --install "$build" || return
  done
}
# Messages of packages that a robot may have, built from definitions of our own: for tests of cameras that are topics.
install_test_messages() {
  [ "$(uname -m)" = x86_64 ] || return 0
  hint="Run this again; if it fails alike, remove .venv first."
  step messages "building the messages that cameras may speak, for tests (about half a minute)" \
    "$(key ros2_pkg/pip tests/ros2_pkg/messages)" build_messages tests/ros2_pkg/messages/*_msgs
}
install_node() { pip_install --no-deps --no-build-isolation -e ros2_pkg/magno_ros; }

main() {
  mkdir -p "$logs"
  if command -v flock >/dev/null; then
    exec 9>"$logs/setup.lock"
    flock -n 9 || { say "another set-up is at work in this checkout: waiting for it" && flock 9; }
  else
    exec 9>/dev/null
  fi
  local base magno ros text
  base="$root $(readlink -f "$(command -v "$python")" || true) ${PYTHON:-}"
  [ -x "$venv/bin/python" ] || rm -rf "$stamps"
  [ -e "$stamps/interfaces" ] && [ "$(cat "$stamps/venv")" = "$base" ] || system_packages
  hint="Is there room on the disk? Remove .venv and run this again."
  step venv "making .venv with $("$python" --version 2>&1) (seconds)" "$base" make_venv
  hint="Is the package index reachable? Run this again."
  step torch "installing $torch (a minute, or minutes where pip's index has it with CUDA only, near 5 GB)" "$torch" pip_install "$torch"
  magno=$(key setup.py)
  hint="If llama.cpp did not compile, install g++ and make; then run this again."
  text="installing magno and its tools; llama.cpp compiles for about six minutes on two cores"
  compgen -G "$venv/lib/python*/site-packages/llama_cpp" >/dev/null && text="installing magno and its tools (seconds)"
  step magno "$text" "$magno" pip_install -e '.[export,train,bag,test]'
  if [ "$(uname -m)" != x86_64 ]; then
    say "no ROS 2 wheels exist for $(uname -m): build ros2_pkg with colcon on an installed ROS 2."
    return
  fi
  ros=$(key ros2_pkg/pip)
  hint="Is the package index reachable? Run this again."
  step ros "installing ROS 2 Jazzy's Python from wheels (about a minute)" "$ros" install_ros
  hint="Run this again; if it fails alike, remove .venv first."
  step interfaces "building the ROS 2 interfaces (about 20 s)" "$ros $(key ros2_pkg/magno_interfaces)" build_messages ros2_pkg/magno_interfaces
  if [ -e ros2_pkg/magno_ros/setup.py ]; then
    step node "installing the ROS 2 node (seconds)" \
      "$(cd ros2_pkg/magno_ros && key setup.py setup.cfg package.xml resource launch config)" install_node
  fi
}
[ $# = 0 ] || [ "$*" = test ] || die "wanted nothing or the word test, found $*."
main
if [ "${1:-}" = test ]; then
  install_test_packages
  install_test_messages
  install_dds_peer
  install_rtx
fi
