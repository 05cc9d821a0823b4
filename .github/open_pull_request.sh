#!/usr/bin/env bash
# Commit the changes of a workflow, open a pull request with them, and start CI on its branch.
set -euo pipefail

readonly USAGE='usage: .github/open_pull_request.sh BRANCH SUBJECT

The date is added to BRANCH. Nothing changed: nothing is done. Needs GH_TOKEN.'

[ $# -eq 2 ] || {
  printf '%s\n' "$USAGE" >&2
  exit 2
}
branch=$1-$(date +%F) subject=$2

if git diff --quiet; then
  echo "nothing to commit"
  exit
fi
git config user.name github-actions
git config user.email github-actions@users.noreply.github.com
git switch --create "$branch"
git commit --all --message "$subject"
gh auth setup-git
git push origin "$branch"
gh pr create --head "$branch" --title "$subject" --body "Opened by .github/workflows/weekly.yml."
# GitHub starts no workflow for a pull request that GITHUB_TOKEN opens, except by this call.
gh workflow run ci.yml --ref "$branch"
