#!/usr/bin/env bash
# Trains the encoder and its heads from the data folder and packages the result.
#   models/train/train.sh --data FOLDER [--firstline PROGRAM] [--work FOLDER] [--model FOLDER] [--threads N] [--stop-at STEP]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
data="" work="${TMPDIR:-/tmp}/firstline-train" model="$here/../firstline-encoder" threads=2 stop=()
firstline="$here/../../target/release/firstline"
while [ $# -gt 0 ]; do
  case "$1" in
    --data) data="$2" ;;
    --work) work="$2" ;;
    --model) model="$2" ;;
    --firstline) firstline="$2" ;;
    --threads) threads="$2" ;;
    --stop-at) stop=(--stop-at "$2") ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[ -n "$data" ] || { echo "usage: train.sh --data FOLDER" >&2; exit 2; }
[ -x "$firstline" ] || { echo "no program at $firstline: cargo build --release, or name it with --firstline" >&2; exit 2; }
export OMP_NUM_THREADS="$threads" PYTHONWARNINGS=ignore
mkdir -p "$work"
cd "$here"
python distil.py --data "$data" --work "$work" --threads "$threads" --epochs 2 --output first.pt "${stop[@]}"
python distil.py --data "$data" --work "$work" --threads "$threads" --epochs 1 --resume first.pt --rate 5e-4 "${stop[@]}"
python package.py encoder --work "$work" --model "$model"
python heads.py --data "$data" --work "$work" --model "$model"
python similar.py --data "$data" --work "$work" --model "$model" --firstline "$firstline"
python package.py finish --data "$data" --model "$model"
python judge_complexity.py --data "$data" --work "$work" --model "$model"
python evaluate.py --data "$data" --work "$work" --model "$model"
python judge_encoder.py --data "$data" --work "$work" --model "$model"
python judge_personal.py --data "$data" --binary "$firstline"
python judge_attack.py --data "$data" --binary "$firstline" --model "$model"
python judge_learn.py --data "$data" --program "$firstline"
