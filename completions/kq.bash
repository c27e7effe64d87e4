# Completion of every kq command in bash.  The words come from the commands
# themselves (--help=words), names of topics from the broker.

_kq_topics() { # the -b of the line, if any
	timeout 1 kq-topic list ${1:+-b "$1"} 2>/dev/null
}

_kq_keys() { # "topic" or "broker"
	local all='s/^[^ ].*(topic, for all: \([a-z.]*\))$/\1=/p'
	if [[ $1 == topic ]]; then all=; fi
	kq-broker --help=config 2>/dev/null |
		sed -n -e "s/^\([a-z][a-z.]*\)  ($1.*/\1=/p" -e "$all"
}

_kq() {
	local cmd=$1 cur=$2 prev=$3 verb= brokers= operands=0 skip= i w
	local of word arg choices phrase words=() verbs=() takes= list= usage=
	# bash cuts words at '='.
	if [[ $cur == = ]]; then cur=; fi
	if [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD - 2]}; fi

	# The tables, with a separator that read does not join.
	local table
	table=$("$cmd" --help=words 2>/dev/null | tr '\t' '\037') || return
	takes_value() { # option, verb
		while IFS=$'\037' read -r of word arg choices phrase; do
			if [[ $word == "$1" && -n $arg && (-z $of || $of == "$2") ]]; then return 0; fi
		done <<<"$table"
		return 1
	}
	while IFS=$'\037' read -r of word arg choices phrase; do
		if [[ -z $of && $word == [a-z]* ]]; then verbs+=("$word"); fi
	done <<<"$table"

	# What stands before: the verb, the operands, where the brokers are.
	for ((i = 1; i < COMP_CWORD; i++)); do
		w=${COMP_WORDS[i]}
		case $skip in
		-b | --brokers) if [[ $w != = ]]; then brokers=$w; fi ;;
		esac
		if [[ $w == = ]]; then continue; fi
		if [[ -n $skip ]]; then skip=; continue; fi
		if [[ $w == -* ]]; then
			if takes_value "$w" "$verb"; then skip=$w; fi
		elif [[ -z $verb && " ${verbs[*]} " == *" $w "* ]]; then
			verb=$w
		else
			operands=$((operands + 1))
		fi
	done

	while IFS=$'\037' read -r of word arg choices phrase; do
		if [[ -z $of && -z $word ]] || [[ -z $of && -n $verb && $word == "$verb" ]]; then usage=$arg; fi
		if [[ -n $of && $of != "$verb" ]]; then continue; fi
		if [[ $word == "$prev" && -n $arg ]]; then takes=$arg list=$choices; fi
		if [[ $word == -* ]]; then words+=("$word"); fi
	done <<<"$table"

	COMPREPLY=()
	if [[ $prev == -* && -n $takes ]]; then
		if [[ -n $list ]]; then
			mapfile -t COMPREPLY < <(compgen -W "${list//|/ }" -- "$cur")
		else
			case $takes in
			*TOPIC* | NAME...) mapfile -t COMPREPLY < <(compgen -W "$(_kq_topics "$brokers")" -- "$cur") ;;
			KEY=VALUE | key=value)
				compopt -o nospace
				i=topic
				if [[ ${cmd##*/} == kq-broker ]]; then i=broker; fi
				mapfile -t COMPREPLY < <(compgen -W "$(_kq_keys $i)" -- "$cur")
				;;
			*FILE* | *DIR*) compopt -o default -o filenames ;;
			esac
		fi
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$cur")
	elif ((${#verbs[@]})) && [[ -z $verb ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${verbs[*]}" -- "$cur")
	elif [[ $usage == *FILE* ]] && ((operands > 0)); then
		compopt -o default -o filenames
	elif [[ $usage == *TOPIC* || $usage == *NAME* ]] && [[ $verb != create ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_kq_topics "$brokers")" -- "$cur")
	fi
}
complete -F _kq kq-broker kq-topic kq-produce kq-consume
