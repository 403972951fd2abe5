#!/usr/bin/env python3
"""Writes op_goldens.json: what PyTorch computes for the ops, forward and backward, on small inputs.

    /usr/bin/python3 make_op_goldens.py        (needs torch)

Everything is computed in double from inputs that fp32 holds exactly, so that the file holds the right answer and not PyTorch's rounding of it.
A case is an object of flat row-major lists; OpGoldenTests.cs says what each is.
"""
import json
import os

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.manual_seed(20151208)


def normal(*shape):
    """Normal numbers in double, rounded to 1/256: exact in fp32, short in the file."""
    return (torch.randn(*shape, dtype=torch.float64) * 256).round() / 256


def flat(tensor):
    return [float("%.10g" % v) for v in tensor.detach().reshape(-1).tolist()]


def variable(*shape):
    return normal(*shape).requires_grad_()


def conv2d():
    x, dy = variable(2, 2, 7, 9), normal(2, 3, 4, 5)
    layer = nn.Conv2d(2, 3, (3, 4), stride=(2, 2), padding=(1, 2)).double()
    layer.weight.data, layer.bias.data = normal(3, 2, 3, 4), normal(3)
    y = layer(x)
    y.backward(dy)
    return dict(x=flat(x), weight=flat(layer.weight), bias=flat(layer.bias), dY=flat(dy), y=flat(y),
                dX=flat(x.grad), dWeight=flat(layer.weight.grad), dBias=flat(layer.bias.grad))


def batch_norm():
    """BatchNorm2d over [N, C, F, T]; two training batches, so that the running statistics move twice, then evaluation."""
    layer = nn.BatchNorm2d(3).double()
    layer.weight.data, layer.bias.data = normal(3), normal(3)
    before = variable(2, 3, 2, 4)
    layer(before)
    x, dy = variable(2, 3, 2, 4), normal(2, 3, 2, 4)
    y = layer(x)
    y.backward(dy)
    mean, variance = layer.running_mean.clone(), layer.running_var.clone()
    layer.eval()
    return dict(before=flat(before), x=flat(x), weight=flat(layer.weight), bias=flat(layer.bias), dY=flat(dy), y=flat(y), dX=flat(x.grad),
                dWeight=flat(layer.weight.grad), dBias=flat(layer.bias.grad), runningMean=flat(mean), runningVariance=flat(variance),
                inferred=flat(layer(x)))


def gru(directions):
    """A packed batch: PyTorch too starts the backward direction at each sequence's own end. The directions' outputs are summed."""
    frames, batch, inputs, hidden, lengths = 5, 3, 4, 3, [5, 3, 2]
    layer = nn.GRU(inputs, hidden, bidirectional=directions == 2).double()
    for p in layer.parameters():
        p.data = normal(*p.shape)
    x, dy = variable(frames, batch, inputs), normal(frames, batch, hidden)
    y, _ = pad_packed_sequence(layer(pack_padded_sequence(x, lengths))[0], total_length=frames)
    y = y.view(frames, batch, directions, hidden).sum(2)
    y.backward(dy)
    case = dict(x=flat(x), dY=flat(dy), y=flat(y), dX=flat(x.grad))
    for direction in range(directions):
        for ours, theirs in (("input", "weight_ih"), ("recurrent", "weight_hh"), ("inputBias", "bias_ih"), ("recurrentBias", "bias_hh")):
            p = getattr(layer, theirs + "_l0" + ("_reverse" if direction else ""))
            case[f"{ours}{direction}"], case[f"{ours}Gradient{direction}"] = flat(p), flat(p.grad)
    return case


def log_softmax():
    x, dy = variable(3, 2, 5), normal(3, 2, 5)
    y = torch.log_softmax(x, 2)
    y.backward(dy)
    return dict(x=flat(x), dY=flat(dy), y=flat(y), dX=flat(x.grad))


def ctc():
    """Differing lengths, repeats, an empty text and one that does not fit (zero_infinity: its gradient is zero; the loss is +inf)."""
    logits = variable(8, 4, 5)
    texts, frames, counts = torch.tensor([[1, 2, 2, 4], [3, 3, 0, 0], [0, 0, 0, 0], [1, 1, 2, 0]]), [8, 5, 6, 3], [4, 2, 0, 3]
    y = torch.log_softmax(logits, 2)
    losses = torch.nn.functional.ctc_loss(y, texts, frames, counts, reduction="none", zero_infinity=True)
    losses.sum().backward()
    return dict(logits=flat(logits), losses=flat(losses), dLogits=flat(logits.grad))


def optimiser(make, max_norm):
    """Four steps, the gradient norm clipped (at some of them)."""
    parameter = variable(7)
    start, chosen, gradients, norms, after = flat(parameter), make([parameter]), [], [], []
    for step in range(4):
        parameter.grad = normal(7) * (step + 1)
        gradients += flat(parameter.grad)
        norms.append(float(clip_grad_norm_([parameter], max_norm)))
        chosen.step()
        after += flat(parameter)
    return dict(start=start, gradients=gradients, norms=norms, after=after)


cases = dict(
    conv2d=conv2d(), batchNorm=batch_norm(), gru1=gru(1), gru2=gru(2), logSoftmax=log_softmax(), ctc=ctc(),
    sgd=optimiser(lambda p: torch.optim.SGD(p, lr=0.125, momentum=0.875, weight_decay=0.0625, nesterov=True), 4),
    adamW=optimiser(lambda p: torch.optim.AdamW(p, lr=0.125, betas=(0.875, 0.96875), eps=2 ** -20, weight_decay=0.0625), 4))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "op_goldens.json"), "w") as file:
    json.dump(cases, file, separators=(",", ":"))
    file.write("\n")
