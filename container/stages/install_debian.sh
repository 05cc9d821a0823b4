#!/bin/sh
# Stage os: Debian's packages, upgraded to the newest versions of the release (security fixes).
set -eu
export DEBIAN_FRONTEND=noninteractive
# Exclude the same files as debian:*-slim, also in images that are built on this image.
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
# libgomp1: LightGBM and others that scripts install need the library of the system.
apt-get install -y --no-install-recommends ca-certificates libgomp1 python3
# -perm /6000: setuid and setgid. The override also applies when a derived image upgrades the
# package. SageMaker runs the image as root, so no program needs these bits.
find / -xdev -perm /6000 | while read -r path; do
  chmod a-s "$path"
  if [ -f "$path" ]; then
    # shellcheck disable=SC2046 # three words
    dpkg-statoverride --force-statoverride-add --add $(stat -c '%U %G 0%a' "$path") "$path"
  fi
done
