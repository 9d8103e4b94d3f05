#!/bin/sh
# What `make demo` does: train on the embedded emoji for about ten minutes, then draw.
# Run again, it goes on where it was stopped.
set -eu
out=${1:-demo}
minutes=${2:-10}

rhinoise train emoji --out "$out/run" --minutes "$minutes"

# Eight prompts that it has learnt from, and eight (subject, style) pairs that were held out.
rhinoise generate --model "$out/run" --out "$out/pictures" \
    "rhinoceros, twemoji style" "rhinoceros, openmoji style" "chair, twemoji style" "grinning face, twemoji style" \
    "france flag, openmoji style" "japan flag, twemoji style" "red heart, openmoji style" "woman, twemoji style" \
    "ireland flag, twemoji style" "peru flag, twemoji style" "namibia flag, openmoji style" \
    "clock face six oclock, twemoji style" "winking face, twemoji style" "woman: curly hair, openmoji style" \
    "large blue circle, openmoji style" "cook, twemoji style"

rhinoise forward "$out"/pictures/rhinoceros*twemoji*.png --out "$out/forward.png"
rhinoise evaluate "$out/run"
cp "$out/pictures/grid.png" "$out/run/samples/autoencoder.png" "$out/run/samples/loss.png" "$out"
echo "See $out: grid.png, forward.png, autoencoder.png, loss.png"
