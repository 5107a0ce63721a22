#!/bin/bash
# From data to files: teachers, their answers, pupils, and the four models of a generation. Whether they
# take the places of those that ship, their figures decide.
#
#   trainer/shipped_models.sh fer2013.zip ferplus_votes.csv unlabelled_faces.zip MODELS RUNS [--set KEY=VALUE ...]
#
# Needs fer-train, fer-convert and fer-edge on the PATH. MODELS is a folder with the files
# edge-small.int8.tflite, edge-small-ferplus.int8.tflite and edge-nano.int8.tflite of the generation
# before, with whose weights this one begins. RUNS gets a folder for each run, for the answers and for
# each conversion, and times.tsv: how many seconds each step took (one that was done before: a few).
# After an interruption, run it again: what is finished is left alone, what is not goes on from its
# last epoch or view. Settings given at the end go to every training and to the answers; a folder of
# other settings is refused, so give a trial RUNS of its own. After one with training.epochs=1 the
# converter's gate may refuse what came of it. On two cores with AMX: 5 minutes for edge-small-heads, 20
# for edge-wide, 3 for the answers, 20 for edge-small and 15 for edge-nano, each alone; the default 30 more.
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

train() { # NAME RECIPE [--set ...]: what is done is left, and refused where settings or data differ
  local name=$1 recipe=$2
  shift 2
  step "train $name" fer-train fit "$recipe" "$data" --out "$runs/$name" --resume \
    --set "data.votes=$votes" "$@" "${settings[@]}"
}

teaches() { # NAME: whether validation puts it above edge-small and edge-small-ferplus of the last generation
  local better
  # Both figures are float_metrics.validation of their contracts, by the yardstick of metrics.json: the
  # votes' label for every picture that has one.
  better=$(python3 - "$runs/$1/metrics.json" <<'PYTHON'
import json, sys
heads = json.load(open(sys.argv[1], encoding="utf-8"))["heads"]
least = {"fer2013": 0.6705, "ferplus": 0.825}
print(all(heads[head]["validation"]["accuracy"] > least[head] for head in least))
PYTHON
  ) || exit
  [ "$better" = True ]
}

# The generation before learns to answer with both heads, on one split of the pictures.
train edge-small-heads edge-small-taught --set name=edge-small-heads --set training.epochs=10 \
  --init-from "$before/edge-small.int8.tflite"
# What knows FER2013's labels best stands beside what has learnt the votes.
step "convert edge-small-heads" fer-convert "$runs/edge-small-heads" --head ferplus --int8 --force \
  --out "$runs/edge-small-heads-int8"
train edge-wide edge-wide --init-from "$before/edge-small.int8.tflite" \
  --init-from "$runs/edge-small-heads-int8/emotion.int8.tflite"
if ! teaches edge-wide; then
  echo "edge-wide is not better than both models of the generation before" >&2
fi

# Both pupils see the same views: what comes on top of them differs.
more=(--set "data.unlabelled=$faces")
step "answers" fer-train teach "$runs/edge-wide" "$runs/edge-small-heads" "$data" --out "$runs/answers" \
  --views 8 --recipe edge-small-taught --set "data.votes=$votes" "${more[@]}" "${settings[@]}"

begin=("$runs/edge-small-heads" "$before/edge-nano.int8.tflite")
for name in edge-small edge-nano; do
  train "$name" "$name-taught" --set "name=$name" --set "distillation.answers=$runs/answers" "${more[@]}" \
    --init-from "${begin[0]}"
  begin=("${begin[@]:1}")
done

# The default: votes alone, by the split of the file that it goes on from, which has set other pictures
# aside than the networks above. What is covered the device finds by itself.
alone=(--set labels=ferplus --set "heads=[]")
bare=(--set 'unlabelled.only=["smiles_*", "genki_*", "bare_*"]' --set "unlabelled.even=[]")
train ferplus-b edge-small --set name=ferplus-b --set labels=ferplus --set training.epochs=4 --set training.seed=7 \
  --set optimiser.learning_rate=0.05 --init-from "$before/edge-small-ferplus.int8.tflite"
step "convert ferplus-b" fer-convert "$runs/ferplus-b" --int8 --force --out "$runs/ferplus-b-int8"
train ferplus-wide edge-wide --set name=ferplus-wide "${alone[@]}" --set training.epochs=13 \
  --init-from "$before/edge-small-ferplus.int8.tflite" --init-from "$runs/ferplus-b-int8/emotion.int8.tflite"
step "answers of votes" fer-train teach "$runs/ferplus-wide" "$runs/ferplus-b" "$data" \
  --out "$runs/ferplus-answers" --views 8 --recipe edge-small-taught --set "data.votes=$votes" \
  "${more[@]}" "${alone[@]}" "${bare[@]}" "${settings[@]}"
train default edge-small-taught --set name=edge-small-ferplus "${alone[@]}" "${bare[@]}" "${more[@]}" \
  --set training.epochs=14 --set "distillation.answers=$runs/ferplus-answers" \
  --init-from "$before/edge-small-ferplus.int8.tflite"
step "convert default" fer-convert "$runs/default" --int8 --force --out "$runs/default-int8"
step "evaluate default" fer-edge evaluate "$data" --model "$runs/default-int8/emotion.int8.tflite" --votes "$votes"

for name in edge-small edge-nano; do
  for head in fer2013 ferplus; do
    model=$name judged=()
    [ $head = fer2013 ] || model=$name-ferplus judged=(--votes "$votes")
    # Anew each time: a file may lie there that has not passed the gate.
    step "convert $model" fer-convert "$runs/$name" --head $head --int8 --force --out "$runs/$model-int8"
    step "evaluate $model" fer-edge evaluate "$data" --model "$runs/$model-int8/emotion.int8.tflite" "${judged[@]}"
  done
done
