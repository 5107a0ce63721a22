#!/bin/bash
# From data to files: teachers, their answers, pupils, and the four models that fer-edge ships.
#
#   trainer/shipped_models.sh fer2013.zip ferplus_votes.csv unlabelled_faces.zip RUNS [--set KEY=VALUE ...]
#
# Needs fer-train, fer-convert and fer-edge on the PATH. RUNS gets a folder for each run, for the
# answers and for each conversion, and times.tsv: how many seconds each step took (one that was
# done before: a few). On two free cores with AVX2 about 13 hours for the two teachers, 2 for their
# answers, 10 for the two pupils.
# After an interruption, run it again: what is finished is left alone, what is not goes on from its
# last epoch or view. Settings given at the end go to every training and to the answers; a folder of
# other settings is refused, so give a trial RUNS of its own. After one with training.epochs=1 the
# converter's gate may refuse what came of it.
set -euo pipefail

if [ $# -lt 4 ]; then
  sed -n '2,13s/^# \{0,1\}//p' "$0"
  exit 64
fi
data=$1 votes=$2 faces=$3 runs=$4
shift 4
settings=("$@")
mkdir -p "$runs"
runs=$(cd "$runs" && pwd)

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

teachers=()
for name in edge-teacher edge-teacher-wide; do
  train "$name" "$name"
  if teaches "$name"; then
    teachers+=("$runs/$name")
  else
    echo "$name is not better than its pupils were: it does not teach" >&2
  fi
done
if [ ${#teachers[@]} -eq 0 ]; then
  echo "no teacher is good enough; all teach, and what comes of it should not ship" >&2
  teachers=("$runs/edge-teacher" "$runs/edge-teacher-wide")
fi

# Both pupils see the same views: what comes on top of them differs.
more=(--set "data.unlabelled=$faces")
step "answers" fer-train teach "${teachers[@]}" "$data" --out "$runs/answers" --views 16 \
  --recipe edge-small-taught --set "data.votes=$votes" "${more[@]}" "${settings[@]}"

for name in edge-small edge-nano; do
  train "$name" "$name-taught" --set "name=$name" --set "distillation.answers=$runs/answers" "${more[@]}"
done

for name in edge-small edge-nano; do
  for head in fer2013 ferplus; do
    model=$name judged=()
    [ $head = fer2013 ] || model=$name-ferplus judged=(--votes "$votes")
    # Anew each time: a file may lie there that has not passed the gate.
    step "convert $model" fer-convert "$runs/$name" --head $head --int8 --force --out "$runs/$model-int8"
    step "evaluate $model" fer-edge evaluate "$data" --model "$runs/$model-int8/emotion.int8.tflite" "${judged[@]}"
  done
done
