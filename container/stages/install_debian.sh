#!/bin/sh
# Stage os: Debian's own packages. The newest of the release: security fixes since the base was made.
set -eu
export DEBIAN_FRONTEND=noninteractive
# What debian:*-slim leaves out too. It stays in force for images that are built on this one.
cat >/etc/dpkg/dpkg.cfg.d/slim <<'END'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
END
apt-get update
apt-get upgrade -y --no-install-recommends
apt-get install -y --no-install-recommends ca-certificates python3
# -perm /6000: setuid and setgid. The override holds when an image built on this one upgrades the
# package. SageMaker runs the image as root; nobody else needs to become root.
find / -xdev -perm /6000 | while read -r path; do
  chmod a-s "$path"
  if [ -f "$path" ]; then
    # shellcheck disable=SC2046 # three words
    dpkg-statoverride --force-statoverride-add --add $(stat -c '%U %G 0%a' "$path") "$path"
  fi
done
