#!/bin/bash
# Train, convert and judge the four models that fer-edge ships; docs/log/models.md says what came of it.
#
#   trainer/shipped_models.sh fer2013.zip ferplus_votes.csv RUNS [--set KEY=VALUE ...]
#
# Needs fer-train, fer-convert and fer-edge on the PATH. RUNS gets a folder for each run and each
# conversion. About seven hours on two cores with AVX-512, two to three times that with AVX2 alone.
# After an interruption, run it again: what is finished is left alone, what is not goes on from its
# last epoch. Settings given at the end go to every training; after a trial with training.epochs=1
# the converter's gate may refuse what came of it.
set -euo pipefail

if [ $# -lt 3 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0"
  exit 64
fi
data=$1 votes=$2 runs=$3
shift 3
settings=("$@")
mkdir -p "$runs"
runs=$(cd "$runs" && pwd)

train() { # NAME RECIPE [--set ...]: unless it is done
  local out=$runs/$1 recipe=$2 resume=()
  shift 2
  [ -f "$out/metrics.json" ] && return
  [ -f "$out/recipe.toml" ] && resume=(--resume)
  fer-train fit "$recipe" "$data" --out "$out" "${resume[@]}" "$@" "${settings[@]}"
}

taught_by() { # WEIGHT RUN...
  local weight=$1 list
  shift
  list=$(printf '"%s",' "${@/#/$runs/}")
  printf '%s\n' --set "distillation.teachers=[${list%,}]" --set "distillation.weight=$weight"
}

# What people saw, as ten of them voted, instead of FER2013's own labels.
people=(--set labels=ferplus --set "data.votes=$votes")
# Teachers are residual networks: another kind than their pupils, which together see more.
residual=(--set 'network.layers=["rescale 0..1", "conv 32 /2 nobias", "bn", "relu", "residual 48", "residual 96 /2", "residual 192 /2", "gap", "softmax"]')
# The first ones see good pictures only, and hard labels smoothed.
good=(--set augmentation.dim_probability=0 --set augmentation.blur_probability=0
  --set augmentation.noise_probability=0 --set augmentation.faceless_probability=0
  --set augmentation.erase_probability=0.5)

# Two teachers for either kind of labels: one of good pictures, one of poor ones too.
train teacher-1 edge-small "${residual[@]}" "${good[@]}" --set training.epochs=110 --set training.label_smoothing=0.1
train teacher-ferplus-1 edge-small "${residual[@]}" "${people[@]}" "${good[@]}" --set training.epochs=80
for kind in teacher teacher-ferplus; do
  labels=()
  [ $kind = teacher ] || labels=("${people[@]}")
  mapfile -t by < <(taught_by 0.7 $kind-1)
  train $kind-2 edge-small "${residual[@]}" "${labels[@]}" "${by[@]}"
done

for size in small:0.7 nano:0.8; do
  name=edge-${size%:*}
  mapfile -t by < <(taught_by "${size#*:}" teacher-1 teacher-2)
  train "$name" "$name" "${by[@]}"
  mapfile -t by < <(taught_by "${size#*:}" teacher-ferplus-1 teacher-ferplus-2)
  train "$name-ferplus" "$name" --set name="$name-ferplus" "${people[@]}" "${by[@]}"
done

for name in edge-small edge-nano; do
  for model in $name $name-ferplus; do
    file=$runs/$model-int8/emotion.int8.tflite
    # Anew each time: a file may lie there that has not passed the gate.
    fer-convert "$runs/$model" --int8 --out "$runs/$model-int8"
    judged=()
    [ "$model" = $name ] || judged=(--votes "$votes")
    echo "$model"
    fer-edge evaluate "$data" --model "$file" "${judged[@]}"
  done
done
