#!/bin/sh
# What `make demo` does: draw with the bundled model at once, then train on the embedded emoji for about ten
# minutes and draw again. Run again, it goes on where it was stopped.
set -eu
out=${1:-demo}
minutes=${2:-10}

# Combinations that it was never trained on, among others: colour and subject, subject and subject.
rhinoise generate --out "$out/bundled" \
    "a purple rhinoceros, twemoji style" "a rhinoceros and a chair, openmoji style" \
    "a small green heart on the left, twemoji style" "a blue lemon, openmoji style" \
    "a rhinoceros, twemoji style" "a grinning face, openmoji style" "a france flag, twemoji style" \
    "a red apple, openmoji style"
echo "Drawn by the bundled model: $out/bundled/grid.png"

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
echo "See $out: bundled/grid.png at once; grid.png, forward.png, autoencoder.png, loss.png after training"
