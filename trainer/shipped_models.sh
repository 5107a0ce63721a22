#!/bin/bash
# From data to files: the four models that fer-edge ships, begun with those of the generation before.
#
#   trainer/shipped_models.sh fer2013.zip ferplus_votes.csv unlabelled_faces.zip MODELS RUNS [--set KEY=VALUE ...]
#
# Needs fer-train, fer-convert and fer-edge on the PATH. MODELS is a folder with the four files of the
# generation before, as edge/fer_edge/models had them. RUNS gets for each a folder of the network as it
# was, of its answers, of the run and of the conversion, and times.tsv: how many seconds each step took
# (one that was done before: a few).
# After an interruption, run it again: what is finished is left alone, what is not goes on from its
# last epoch or view. Settings given at the end go to every training and to the answers; a folder of
# other settings is refused, so give a trial RUNS of its own.
set -euo pipefail

if [ $# -lt 5 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
  exit 64
fi
data=$1 votes=$2 faces=$3 before=$4 runs=$5
shift 5
settings=("$@")
mkdir -p "$runs"
runs=$(cd "$runs" && pwd) before=$(cd "$before" && pwd)

step() { # NAME COMMAND...: do it, and say how long it took
  local name=$1 begun=$SECONDS
  shift
  echo "== $name" >&2
  "$@"
  printf '%s\t%s\t%d\n' "$(date -u +%FT%TZ)" "$name" $((SECONDS - begun)) | tee -a "$runs/times.tsv" >&2
}

for model in edge-small-ferplus edge-nano-ferplus edge-small edge-nano; do
  size=${model%-ferplus} own=(--set "name=$model") judged=()
  if [ "$model" != "$size" ]; then
    own+=(--set labels=ferplus --set "data.votes=$votes")
    judged=(--votes "$votes")
  fi
  more=(--set "data.unlabelled=$faces")
  # A run of the file, one epoch of next to no learning, so that it can be asked.
  step "$model as it was" fer-train fit "$size" "$data" --out "$runs/$model-as-it-was" --resume "${own[@]}" \
    --epochs 1 --set optimiser.learning_rate=0.000001 --init-from "$before/$model.int8.tflite" "${settings[@]}"
  step "$model answers" fer-train teach "$runs/$model-as-it-was" "$data" --out "$runs/$model-answers" --views 5 \
    --recipe "$size-covered" "${own[@]}" "${more[@]}" "${settings[@]}"
  step "train $model" fer-train fit "$size-covered" "$data" --out "$runs/$model" --resume "${own[@]}" "${more[@]}" \
    --set "distillation.answers=$runs/$model-answers" --init-from "$runs/$model-as-it-was" "${settings[@]}"
  # Anew each time: a file may lie there that has not passed the gate.
  step "convert $model" fer-convert "$runs/$model" --int8 --force --out "$runs/$model-int8"
  step "evaluate $model" fer-edge evaluate "$data" --model "$runs/$model-int8/emotion.int8.tflite" "${judged[@]}"
done
