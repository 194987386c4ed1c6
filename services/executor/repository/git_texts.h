// What GitHome writes into its folder.
#pragma once

#include <string_view>

namespace switchyard::executor::repository {

// What git reads instead of the settings of the host and of a user. Hooks are named by each call, since the remote of a
// file:// URL has its own.
inline constexpr std::string_view kGitSettings = R"sh([core]
	fsmonitor = false
	symlinks = true
	autocrlf = false
	safecrlf = false
	attributesFile = /dev/null
	excludesFile = /dev/null
	bigFileThreshold = 32m
	pager = cat
	editor = /bin/false
	logAllRefUpdates = false
	untrackedCache = false
[gc]
	auto = 0
	autoDetach = false
[maintenance]
	auto = false
[fetch]
	recurseSubmodules = false
	writeCommitGraph = false
	unpackLimit = 1
[receive]
	unpackLimit = 1
[submodule]
	recurse = false
[protocol]
	version = 2
	allow = never
[http]
	followRedirects = false
	lowSpeedLimit = 1
	lowSpeedTime = 120
[credential]
	helper =
	interactive = false
[diff]
	renames = false
	renameLimit = 1000
[commit]
	gpgSign = false
[push]
	gpgSign = false
	followTags = false
[user]
	useConfigOnly = true
[safe]
	directory = *
[pack]
	threads = 2
	windowMemory = 128m
[init]
	defaultBranch = main
)sh";

// Descriptor 3 holds the name and the password, a line each. Only built-ins: nothing of it becomes an argument.
inline constexpr std::string_view kAskPassScript = R"sh(#!/bin/sh
{ IFS= read -r name; IFS= read -r password; } </proc/self/fd/3 || exit 1
case $1 in
  Username*) printf '%s\n' "$name" ;;
  *) printf '%s\n' "$password" ;;
esac
)sh";

inline constexpr std::string_view kPreCommitHook = R"sh(#!/bin/sh
branch=$(git config --get switchyard.branch) || exit 0
[ "$(git symbolic-ref -q HEAD)" = "refs/heads/$branch" ] && exit 0
echo "refused: this task commits on $branch and on no other branch" >&2
exit 1
)sh";

inline constexpr std::string_view kReferenceHook = R"sh(#!/bin/sh
[ "$1" = prepared ] || exit 0
branch=$(git config --get switchyard.branch) || exit 0
while read -r _ _ name; do
  case $name in
    "refs/heads/$branch") ;;
    refs/heads/*)
      echo "refused: this task moves $branch and no other branch" >&2
      exit 1 ;;
  esac
done
exit 0
)sh";

inline constexpr std::string_view kPrePushHook = R"sh(#!/bin/sh
branch=$(git config --get switchyard.branch) || exit 0
if [ "$2" != "$(git config --get switchyard.remote)" ]; then
  echo "refused: this task pushes to its own repository and nowhere else" >&2
  exit 1
fi
while read -r _ commit to _; do
  if [ "$to" != "refs/heads/$branch" ]; then
    echo "refused: this task pushes $branch and no other branch" >&2
    exit 1
  fi
  case $commit in
    *[!0]*) ;;
    *)
      echo "refused: this task deletes no branch" >&2
      exit 1 ;;
  esac
done
exit 0
)sh";

}  // namespace switchyard::executor::repository
