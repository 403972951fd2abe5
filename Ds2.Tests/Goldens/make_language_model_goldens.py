#!/usr/bin/env python3
"""Writes language_model.txt, and the models that KenLM's lmplz makes of it. lmplz and query must be on the PATH (https://github.com/kpu/kenlm)."""

import random
import re
import subprocess

random.seed(16)
ROOMS = ["kitchen", "cellar", "hall", "café", "straße", "office"]
THINGS = ["lamp", "radio", "window", "door", "heating", "fan"]
DEEDS = ["switch on", "switch off", "open", "close", "turn up", "turn down", "look at"]


def sentence():
    kind = random.randrange(8)
    if kind == 0:
        return random.choice(["yes", "no", "stop", "again", "thank you"])
    if kind == 1:
        return "what time is it in the " + random.choice(ROOMS)
    if kind == 2:
        return "count to " + " ".join(random.choices(["one", "two", "three", "four", "five"], k=random.randint(1, 6)))
    text = f"{random.choice(DEEDS)} the {random.choice(THINGS)}"
    if random.random() < 0.6:
        text += " in the " + random.choice(ROOMS)
    return text + (" please" if random.random() < 0.2 else "")


# Empty lines, words that look special, blanks at the ends, a word that is seen once; and at the end a word whose raw count is not its adjusted one.
lines = [sentence() for _ in range(150)]
lines[20:20] = ["", "  spaced   out\tby tabs ", "<unk>ish <s>ly", "hapax", ""]
lines += ["call zulu", "please call zulu", "call zulu"]
with open("language_model.txt", "w", encoding="utf-8") as file:
    file.write("\n".join(lines) + "\n")

for name, options in {"3": ["-o", "3"], "4_pruned": ["-o", "4", "--prune", "0", "1", "1", "2"]}.items():
    model = f"language_model_{name}.arpa"
    with open("language_model.txt", "rb") as text, open(model, "wb") as arpa:
        log = subprocess.run(["lmplz", "--discount_fallback", "-S", "1G", *options], stdin=text, stdout=arpa, stderr=subprocess.PIPE, check=True).stderr.decode()
    print(model, *re.findall(r"fallback discounts for order \d+|^\d+ .*D1.*", log, re.M), sep="\n  ")
    summary = subprocess.run(["query", "-v", "summary", model], stdin=open("language_model.txt", "rb"), capture_output=True, check=True).stdout.decode()
    unseen = "switch on the hapax radio\n\nopen sesame in the café\n"
    print(summary, subprocess.run(["query", "-v", "summary", model], input=unseen.encode(), capture_output=True, check=True).stdout.decode())
