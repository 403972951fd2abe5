#!/bin/sh
# tone.mp3 and tone.opus: 0.4 s of 440 Hz at 16 kHz, the second half twenty times as loud; the MP3 of variable bit rate, with LAME's table of its frames. Made by ffmpeg 5.1.9.
set -eu
cd "$(dirname "$0")"
tone() { ffmpeg -v error -nostdin -y -f lavfi -i "sine=frequency=440:sample_rate=16000:duration=0.4" -filter_complex "volume='0.2+4*gt(t,0.2)':eval=frame" "$@"; }
tone -q:a 9 -id3v2_version 0 tone.mp3
tone -c:a libopus -b:a 8k -application lowdelay tone.opus
