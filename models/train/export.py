"""ONNX export, int8 quantisation and the ONNX Runtime wrapper used for every score."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

OUTPUT, TOKEN_OUTPUT = "sentence_embedding", "token_logits"


def to_onnx(model, path):
    """Plain float export with dynamic batch and length.

    The TorchScript exporter is used on purpose: it embeds the weights in one
    file and leaves a graph that ONNX Runtime's own optimiser fuses well.
    """
    model.eval()
    ids = torch.randint(1000, 2000, (2, 9))
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=[OUTPUT, TOKEN_OUTPUT],
        dynamic_axes={
            "input_ids": {0: "batch", 1: "length"},
            "attention_mask": {0: "batch", 1: "length"},
            OUTPUT: {0: "batch"},
            TOKEN_OUTPUT: {0: "batch", 1: "length"},
        },
        opset_version=17,
        dynamo=False,
    )


def quantise(source, target, per_channel=True):
    """Dynamic int8 with signed weights: the unsigned variant is about twice as slow.

    Weights keep to 7 bits: processors without VNNI add two products in 16 bits, where 8-bit weights would overflow, and
    one model would then give different numbers on different machines."""
    quantize_dynamic(
        str(source),
        str(target),
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
        reduce_range=True,
        extra_options={"MatMulConstBOnly": True},
    )
    model = onnx.load(str(target))
    model.producer_name, model.doc_string = "firstline", ""
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def export_int8(model, target, per_channel=True):
    """Model to a quantised file at `target`."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        to_onnx(model, plain)
        quantise(plain, target, per_channel)


class Session:
    """ONNX Runtime on the CPU, fed with lists of token ids."""

    def __init__(self, path, threads=2):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, rows):
        """One padded batch."""
        length = max(len(r) for r in rows)
        ids = np.zeros((len(rows), length), np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return self.session.run([OUTPUT], {"input_ids": ids, "attention_mask": mask})[0]

    def embed(self, rows, tokens_per_batch=2048):
        """Embeddings in the order given.

        Only texts of equal length share a batch: dynamic quantisation takes one
        scale over the whole batch, so padding would change the numbers.
        """
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        out, start = None, 0
        while start < len(order):
            length = len(rows[order[start]])
            size = max(1, tokens_per_batch // length)
            batch = [i for i in order[start : start + size] if len(rows[i]) == length]
            vectors = self.run([rows[i] for i in batch])
            if out is None:
                out = np.zeros((len(rows), vectors.shape[1]), np.float32)
            out[batch] = vectors
            start += len(batch)
        return out
