# Completion of all kq commands in fish.  The words come from the commands
# themselves (--help=words), the names of topics and groups from the broker.

# The words after "from" or "then": steps, the arguments of one, and their values.
function __kq_steps # last word, step, brokers
    for row in (kq-stream --help=words 2>/dev/null)
        set -l f (string split \t -- $row)
        if test "$argv[1]" = then
            test "$f[1]" = then; and printf '%s\t%s\n' $f[2] $f[5]
        else if test "$f[1]" = "then $argv[2]"
            if test "$f[2]" = "$argv[1]"
                string split '|' -- $f[4]
            else if test -n "$f[2]"
                printf '%s\t%s\n' $f[2] $f[5]
            else
                string split '|' -- $f[4]
            end
        end
    end
    test "$argv[1]" = then; or echo then
    if test "$argv[1]" = "$argv[2]"; and contains -- $argv[2] from to join late
        timeout 1 kq-topic list $argv[3..-1] 2>/dev/null
    end
end

# Print the possible words, with their phrases.
function __kq_words
    set -l line (commandline -opc)
    set -l cur (commandline -ct)
    set -l verb
    set -l skip
    set -l brokers
    set -l operands 0
    set -l app
    set -l step
    set -l last
    command -q $line[1]; or return
    set -l rows (command $line[1] --help=words 2>/dev/null)
    set -l verbs
    for row in $rows
        set -l f (string split \t -- $row)
        if test -z "$f[1]"; and string match -qr '^[a-z]' -- $f[2]
            set -a verbs $f[2]
        end
    end
    for word in $line[2..-1]
        if contains -- "$skip" -b --brokers
            set brokers -b $word
        end
        if test -n "$skip"
            set skip
        else if string match -q -- '-*' $word
            for row in $rows
                set -l f (string split \t -- $row)
                if test "$f[2]" = "$word"; and test -n "$f[3]"
                    set skip $word
                end
            end
        else if test -z "$verb"; and contains -- $word $verbs
            set verb $word
        else
            set operands (math $operands + 1)
            test -n "$app"; or set app $word
        end
        if test "$last" = then; or begin
                contains -- "$verb" from explain; and test "$word" = from
            end
            set step $word
        end
        set last $word
    end
    if test -n "$step"; and test -z "$skip"; and not string match -q -- '-*' $cur
        __kq_steps "$last" $step $brokers
        return
    end
    for row in $rows
        set -l f (string split \t -- $row)
        if test -n "$skip"
            if test "$f[2]" = $skip; and contains -- "$f[1]" '' "$verb"
                if test -n "$f[4]"
                    string split '|' -- $f[4]
                else if string match -q '*TOPIC*' -- $f[3]
                    timeout 1 kq-topic list $brokers 2>/dev/null
                else if string match -q '*GROUP*' -- $f[3]
                    timeout 1 kq-group list $brokers 2>/dev/null | string replace -r '\t.*' ''
                else if string match -qi 'key=value' -- $f[3]
                    set -l key '^([a-z.]+)  \\(topic.*'
                    if string match -q '*kq-broker' -- $line[1]
                        set key '^(?|([a-z.]+)  \\(broker.*|\\S.*\\(topic, for all: ([a-z.]+)\\))$'
                    end
                    kq-broker --help=config 2>/dev/null | string replace -rf $key '$1='
                else if test "$f[3]" = KEY
                    kq-broker --help=config 2>/dev/null | string replace -rf '^([a-z.]+)  \\(topic.*' '$1'
                else if string match -qr 'FILE|DIR' -- $f[3]
                    __fish_complete_path $cur
                end
            end
            continue
        end
        if string match -q -- '-*' $cur
            if string match -q -- '-*' $f[2]; and contains -- "$f[1]" '' "$verb"
                printf '%s\t%s\n' $f[2] $f[5]
            end
        else if test -z "$verb"; and test -n "$verbs"
            if test -z "$f[1]"; and contains -- "$f[2]" $verbs
                printf '%s\t%s\n' $f[2] $f[5]
            end
        else if test -z "$f[1]"; and test "$f[2]" = "$verb"; and test "$verb" != create
            if string match -q 'APPLICATION*' -- $f[3]
                if test $operands -eq 0
                    timeout 1 kq-stream ps 2>/dev/null | sed 1d | cut -d ' ' -f 1 | sort -u
                else if test $operands -eq 1; and string match -q '*STORE*' -- $f[3]
                    timeout 1 kq-stream query $app 2>/dev/null | sed 1d | cut -d ' ' -f 1
                end
            else if string match -q 'GROUP*' -- $f[3]; and begin
                    not string match -q '*TOPIC*' -- $f[3]; or test $operands -eq 0
                end
                timeout 1 kq-group list $brokers 2>/dev/null | string replace -r '\t.*' ''
            else if string match -qr 'TOPIC|NAME' -- $f[3]
                timeout 1 kq-topic list $brokers 2>/dev/null
            end
            if string match -q '*FILE*' -- $f[3]
                __fish_complete_path $cur
            end
        end
    end
end

for command in kq-broker kq-topic kq-produce kq-consume kq-group kq-stream
    complete -c $command -f -a '(__kq_words)'
end
