# Completion of all kq commands in bash.  The words come from the commands
# themselves (--help=words), the names of topics and groups from the broker.

_kq_topics() { # the value of -b, if any
	timeout 1 kq-topic list ${1:+-b "$1"} 2>/dev/null
}

_kq_groups() {
	timeout 1 kq-group list ${1:+-b "$1"} 2>/dev/null | cut -f 1
}

_kq_apps() {
	timeout 1 kq-stream ps 2>/dev/null | sed 1d | cut -d ' ' -f 1 | sort -u
}

_kq_stores() { # application
	timeout 1 kq-stream query "$1" 2>/dev/null | sed 1d | cut -d ' ' -f 1
}

_kq_keys() { # "topic" or "broker"
	local all='s/^[^ ].*(topic, for all: \([a-z.]*\))$/\1=/p'
	if [[ $1 == topic ]]; then all=; fi
	kq-broker --help=config 2>/dev/null |
		sed -n -e "s/^\([a-z][a-z.]*\)  ($1.*/\1=/p" -e "$all"
}

_kq_takes_value() { # table, verb, option
	local of word arg rest
	while IFS=$'\037' read -r of word arg rest; do
		if [[ $word == "$3" && -n $arg && (-z $of || $of == "$2") ]]; then return 0; fi
	done <<<"$1"
	return 1
}

# The words after "from" or "then": steps, the arguments of one, and their values.
_kq_steps() { # table, previous word, step, current word, brokers
	local of word arg choices rest words=(then)
	if [[ $2 == then ]]; then words=(); fi
	while IFS=$'\037' read -r of word arg choices rest; do
		if [[ $2 == then && $of == then ]]; then words+=("$word"); fi
		if [[ $2 == then || $of != "then $3" ]]; then continue; fi
		if [[ $word == "$2" && -n $word ]]; then
			if [[ $arg == *TOPIC* ]]; then choices=$(_kq_topics "$5"); fi
			mapfile -t COMPREPLY < <(compgen -W "${choices//|/ }" -- "$4")
			return
		fi
		words+=("${word:-${choices//|/ }}")
	done <<<"$1"
	if [[ $2 != then && $2 == "$3" && $3 =~ ^(from|to|join|late)$ ]]; then
		words+=("$(_kq_topics "$5")")
	fi
	mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$4")
}

_kq() {
	local cmd=$1 cur=$2 prev i w line=() is_open=''
	local table of word arg choices rest words=() verbs=() takes='' list='' usage=''
	local verb='' brokers='' operands=0 skip='' step='' app=''

	# bash splits words at ':' and '='; join them again, except --option=value, which is
	# read as two words.
	for ((i = 0; i < COMP_CWORD; i++)); do
		w=${COMP_WORDS[i]}
		if [[ $w == = && ${line[-1]} == --* ]]; then
			continue
		elif [[ $w == [:=] ]]; then
			line[-1]+=$w is_open=1
		elif [[ -n $is_open ]]; then
			line[-1]+=$w is_open=''
		else
			line+=("$w")
		fi
	done
	prev=${line[-1]}
	if [[ $cur == = ]]; then cur=''; fi

	# The rows, with a separator that read does not merge.
	table=$("$cmd" --help=words 2>/dev/null | tr '\t' '\037') || return
	while IFS=$'\037' read -r of word rest; do
		if [[ -z $of && $word == [a-z]* ]]; then verbs+=("$word"); fi
	done <<<"$table"

	# The words before the cursor: the verb, the number of operands, the brokers.
	for w in "${line[@]:1}"; do
		if [[ $skip == -b || $skip == --brokers ]]; then brokers=$w; fi
		if [[ -n $skip ]]; then
			skip=''
		elif [[ $w == -* ]]; then
			if _kq_takes_value "$table" "$verb" "$w"; then skip=$w; fi
		elif [[ -z $verb && " ${verbs[*]} " == *" $w "* ]]; then
			verb=$w
		else
			operands=$((operands + 1))
			app=${app:-$w}
		fi
		if [[ $i == then || ($verb =~ ^(from|explain)$ && $w == from) ]]; then step=$w; fi
		i=$w
	done

	while IFS=$'\037' read -r of word arg choices rest; do
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
			KEY)
				mapfile -t COMPREPLY < <(compgen -W "$(_kq_keys topic | tr -d =)" -- "$cur")
				;;
			*GROUP*) mapfile -t COMPREPLY < <(compgen -W "$(_kq_groups "$brokers")" -- "$cur") ;;
			*FILE* | *DIR*) compopt -o default -o filenames ;;
			esac
		fi
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$cur")
	elif ((${#verbs[@]})) && [[ -z $verb ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${verbs[*]}" -- "$cur")
	elif [[ -n $step ]]; then
		_kq_steps "$table" "$prev" "$step" "$cur" "$brokers"
	elif [[ $usage == APPLICATION* ]]; then
		if ((operands == 0)); then
			mapfile -t COMPREPLY < <(compgen -W "$(_kq_apps)" -- "$cur")
		elif [[ $usage == *STORE* ]] && ((operands == 1)); then
			mapfile -t COMPREPLY < <(compgen -W "$(_kq_stores "$app")" -- "$cur")
		fi
	elif [[ $usage == GROUP* && ($usage != *TOPIC* || $operands -eq 0) ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_kq_groups "$brokers")" -- "$cur")
	elif [[ $usage == '[FILE]' ]] || { [[ $usage == *FILE* ]] && ((operands > 0)); }; then
		compopt -o default -o filenames
	elif [[ $usage == *TOPIC* || $usage == *NAME* ]] && [[ $verb != create ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_kq_topics "$brokers")" -- "$cur")
	fi
}
complete -F _kq kq-broker kq-topic kq-produce kq-consume kq-group kq-stream
