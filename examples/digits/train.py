"""Trains the demo's digit classifier and writes digits.onnx, with its BatchNormalization kept.

    pip install torch onnx numpy scikit-learn && python examples/digits/train.py

The data are scikit-learn's digits (1,797 scans of 8x8 pixels); every fifth one is kept for the test.
"""
import pathlib

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(1)
digits = load_digits()
images = torch.tensor(np.round(digits.images * 255 / 16) / 255, dtype=torch.float32)[:, None]
labels = torch.tensor(digits.target)
is_test = torch.arange(len(labels)) % 5 == 0


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.bn(self.conv(x))


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.down = Block(1, 16, 1), Block(16, 32, 2)
        self.first, self.second = Block(32, 32, 1), Block(32, 32, 1)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = self.down(self.stem(x).relu()).relu()
        x = (self.second(self.first(x).relu()) + x).relu()
        return self.fc(x.mean((2, 3)))


net = Digits()
optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-2)
epochs, batch = 60, 32
train_x, train_y = images[~is_test], labels[~is_test]
steps = epochs * (len(train_y) // batch)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
for epoch in range(epochs):
    order = torch.randperm(len(train_y))
    for k in range(len(train_y) // batch):
        chosen = order[k * batch:(k + 1) * batch]
        x = train_x[chosen]
        shift = torch.randint(-1, 2, (2,)).tolist()
        x = torch.roll(x, shift, (2, 3)) + 0.05 * torch.randn_like(x)
        loss = nn.functional.cross_entropy(net(x), train_y[chosen], label_smoothing=0.05)
        optimizer.zero_grad(); loss.backward(); optimizer.step(); schedule.step()
net.eval()
right = (net(images[is_test]).argmax(1) == labels[is_test]).float().mean().item()
print(f"test accuracy {100 * right:.2f} %")

nodes, weights = [], []


def constant(name, tensor):
    weights.append(numpy_helper.from_array(tensor.detach().numpy(), name))
    return name


def block(name, module, x, relu=True):
    stride = list(module.conv.stride)
    nodes.append(helper.make_node("Conv", [x, constant(f"{name}.conv.weight", module.conv.weight)], [f"{name}_conv"],
                                  name=f"{name}.conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=stride))
    bn = [constant(f"{name}.bn.{key}", getattr(module.bn, key)) for key in ("weight", "bias", "running_mean", "running_var")]
    nodes.append(helper.make_node("BatchNormalization", [f"{name}_conv", *bn], [f"{name}_bn"], name=f"{name}.bn"))
    if not relu:
        return f"{name}_bn"
    nodes.append(helper.make_node("Relu", [f"{name}_bn"], [f"{name}_relu"], name=f"{name}.relu"))
    return f"{name}_relu"


x = block("down", net.down, block("stem", net.stem, "image"))
y = block("second", net.second, block("first", net.first, x), relu=False)
nodes.append(helper.make_node("Add", [y, x], ["sum"], name="add"))
nodes.append(helper.make_node("Relu", ["sum"], ["features"], name="relu"))
nodes.append(helper.make_node("GlobalAveragePool", ["features"], ["pooled"], name="pool"))
nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"))
nodes.append(helper.make_node("Gemm", ["flat", constant("fc.weight", net.fc.weight), constant("fc.bias", net.fc.bias)],
                              ["logits"], name="fc", transB=1))
graph = helper.make_graph(nodes, "digits",
                          [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
                          [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="halftone-digits")
onnx.checker.check_model(model, full_check=True)
onnx.save(model, pathlib.Path(__file__).with_name("digits.onnx"))
