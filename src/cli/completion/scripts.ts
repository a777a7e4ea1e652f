export const shells = ["bash", "zsh", "fish"] as const;

export type Shell = (typeof shells)[number];

/** Each asks `concord __complete`, and proposes files where that has nothing. */
export const scripts: Readonly<Record<Shell, { readonly text: string; readonly install: string }>> = {
  bash: {
    install: "echo 'source <(concord completion bash)' >> ~/.bashrc",
    text: `
# Words as they were typed: COMP_WORDS has them cut at colons and equals signs, which ids and options may have.
_concord() {
  local line="\${COMP_LINE:0:COMP_POINT}" words cut candidate
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  cut="\${words[\${#words[@]}-1]}"
  [[ "\${COMP_WORDS[COMP_CWORD]}" == [:=] ]] || cut="\${cut%"\${COMP_WORDS[COMP_CWORD]}"}"
  COMPREPLY=()
  while IFS=$'\\t' read -r candidate _; do
    COMPREPLY+=("\${candidate#"$cut"}")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _concord concord
`,
  },
  zsh: {
    install: 'concord completion zsh > "$fpath[1]/_concord"',
    text: `
#compdef concord
_concord() {
  local -a found
  local value description
  while IFS=$'\\t' read -r value description; do
    found+=("\${value//:/\\\\:}\${description:+:$description}")
  done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( $#found )); then _describe concord found; else _files; fi
}
if [[ "$funcstack[1]" == _concord ]]; then _concord "$@"; else compdef _concord concord; fi
`,
  },
  fish: {
    install: "concord completion fish > ~/.config/fish/completions/concord.fish",
    text: `
function __concord_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete $words[2..-1] 2>/dev/null
end
complete -c concord -a '(__concord_complete)'
`,
  },
};
