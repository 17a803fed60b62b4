#!/bin/sh
# Speaks dialogue.txt with two voices of flite and writes the two WAV files beside it.
# Needs flite (with its voices rms and slt) and sox. Gives the same bytes every time.
set -eu

cd "$(dirname "$0")"
for tool in flite sox soxi; do
  command -v "$tool" >/dev/null ||
    { echo "make_sample.sh: $tool is missing (Debian: apt-get install flite sox)." >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Seconds of silence around each turn; flite's own bring the pauses between turns to about 0.7.
before=0.15
after=0.2

turn=0
for who in $(cut -d: -f1 dialogue.txt); do
  turn=$((turn + 1))
  case $who in caller) voice=rms ;; agent) voice=slt ;; *) echo "Who is $who?" >&2; exit 1 ;; esac
  sed -n "${turn}s/^[a-z]*: //p" dialogue.txt >"$work/words"
  flite -voice "$voice" -f "$work/words" -o "$work/spoken.wav"

  # -D: no dither, which would be another noise every time. The other channel is as long, and silent.
  name=$work/$(printf 'turn%02d' "$turn")
  sox -D "$work/spoken.wav" -r 16000 -c 1 -b 16 "$name-said.wav" pad "$before" "$after" norm -3
  sox -D "$name-said.wav" "$name-silent.wav" vol 0
  case $who in
    caller) cp "$name-said.wav" "$name-caller.wav"; cp "$name-silent.wav" "$name-agent.wav" ;;
    agent) cp "$name-silent.wav" "$name-caller.wav"; cp "$name-said.wav" "$name-agent.wav" ;;
  esac
done

sox -D "$work"/turn*-said.wav dialogue-16k-mono.wav
sox -D "$work"/turn*-caller.wav "$work/caller.wav"
sox -D "$work"/turn*-agent.wav "$work/agent.wav"
sox -D -M "$work/caller.wav" "$work/agent.wav" -r 8000 dialogue-8k-stereo.wav
soxi dialogue-*.wav
