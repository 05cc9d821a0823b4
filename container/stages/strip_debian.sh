#!/bin/sh
# strip_debian.sh ROOT: remove files that a container does not need or that differ between builds.
set -eu
cd "$1"
rm -rf stages # the scripts of the build
# A base image that is not slim has documents; install_debian.sh excludes new ones.
# Links between folders stay, because some packages have their copyright file in a linked folder.
find usr/share/doc -mindepth 2 ! -type d ! -name copyright -delete
find usr/share/doc -mindepth 1 -type d -empty -delete
rm -rf usr/share/groff usr/share/info usr/share/linda usr/share/lintian usr/share/locale \
  usr/share/man usr/lib/python3*/test usr/include
mkdir -p usr/share/man usr/share/locale # some packages expect both
# These files are from the build machine. Docker mounts them when a container starts.
rm -f etc/hostname etc/hosts etc/resolv.conf
rm -rf dev run tmp proc sys var/tmp
mkdir -p dev run/lock proc sys
mkdir -m 1777 tmp var/tmp
chmod 1777 run/lock
# Caches, locks, logs and backups. apt and ldconfig recreate their caches.
rm -rf var/lib/apt/lists/* var/cache/apt/* var/cache/ldconfig/* var/cache/debconf/*-old \
  var/lib/dpkg/*-old var/lib/dpkg/lock* var/lib/dpkg/triggers/Lock etc/.pwd.lock \
  etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid- etc/machine-id \
  var/lib/dbus/machine-id
find var/log -type f -delete
# The day on which each account's password was last changed is the day of the build.
sed -i -E 's/^([^:]*:[^:]*):[0-9]+:/\1:10957:/' etc/shadow
# The folders of later layers. (A folder that COPY creates has the date of the build.)
mkdir -p opt/venv opt/program opt/ml usr/share/sagemaker-tabular
