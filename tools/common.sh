# Sourced by the tools that are shell scripts, after they have gone to the repository's root.

# help "$@": where the first argument asks for help, prints the comment at the top of the tool and
# ends.
help() {
	case ${1:-} in
	-h | --help)
		awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); if (NF || said) { print; said = 1 } }' "tools/${0##*/}"
		exit
		;;
	esac
}

# refuse_option "$@": an argument that looks like an option is none that the tool knows.
refuse_option() {
	local argument

	for argument in "$@"; do
		[[ $argument != -* ]] || refuse "there is no option $argument"
	done
}

# left_out TEXT: this release lacks what the tool is made of. It does nothing, which is well; but
# not in CI, where all is tried.
left_out() {
	echo "${0##*/}: $*"
	[[ -z ${CI:-} ]]
	exit
}

# refuse TEXT: the tool was called for what it cannot do.
refuse() {
	echo "${0##*/}: $*; see ${0##*/} --help" >&2
	exit 2
}
