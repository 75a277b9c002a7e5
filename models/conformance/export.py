"""Exports what build.py made, in every precision that an exporter gives.

    python export.py WORK genai|transformers|optimum [FAMILY ...]

`genai` and `transformers` want `requirements.txt`, `optimum` wants ../testing/requirements-optimum.txt. Each export is a
folder WORK/FAMILY/EXPORTER-PRECISION in a layout of the hub; a failure leaves WORK/FAMILY/EXPORTER-PRECISION.failed with
the reason. Precisions:

f32    as exported
f16    weights, activations, keys and values: ONNX Runtime's converter, or the builder's own
int8   genai: 8-bit blocks (MatMulNBits); else dynamic quantisation of MatMul, the hub's `model_quantized.onnx`
int4   4-bit blocks of 32 (MatMulNBits), from the weights that lie on that grid
"""

import importlib
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import torch
import transformers
from families import FAMILIES, is_encoder

BESIDE = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
# The builder refuses them, in its own words on the page.
BUILDER_LACKS = ["mixtral", "ministral", "phi3_long"]
GENAI = {"f32": "fp32", "f16": "fp16", "int8": "int8", "int4": "int4"}


def source_of(work, family, precision):
    return work / family / ("source-int4" if precision == "int4" else "source")


def copy_beside(source, folder):
    for name in [*BESIDE, "expected.json"]:
        if (source / name).exists():
            shutil.copy(source / name, folder / name)


def genai(family, source, folder, precision):
    """onnxruntime-genai's builder, for the CPU."""
    builder = importlib.import_module("onnxruntime_genai.models.builder")
    with tempfile.TemporaryDirectory() as cache:
        where = [None, str(source), str(folder), GENAI[precision], "cpu", cache]
        builder.create_model(*where, **builder.parse_extra_options(*where, []))


def optimum(family, source, folder, precision):
    from optimum.exporters.onnx import main_export

    task = "text-classification" if is_encoder(family) else "text-generation-with-past"
    with tempfile.TemporaryDirectory() as out:
        main_export(str(source), output=out, task=task, do_validation=False, opset=17)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(out) / "model.onnx", folder / "model.onnx")
    convert(folder, precision, "model.onnx")


def own(family, source, folder, precision):
    """The exporter of transformers itself."""
    from transformers.exporters import OnnxConfig, OnnxExporter

    folder.mkdir(parents=True, exist_ok=True)
    ids = torch.arange(5, 13)[None]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if is_encoder(family):
        model = transformers.AutoModelForSequenceClassification.from_pretrained(source).eval()
        # Its optimiser stumbles over constants of encoders; ONNX Runtime has its own.
        exported = OnnxExporter().export(model, inputs, config=OnnxConfig(dynamic=True, optimize=False))
    else:
        model = transformers.AutoModelForCausalLM.from_pretrained(source).eval()
        exported = OnnxExporter().export_for_generation(
            model, inputs, config=OnnxConfig(dynamic=True, ort_fusions="cpu"), multi_token_decode=True
        )
    with tempfile.TemporaryDirectory() as out:
        exported.save_pretrained(out)
        graph = "model.onnx" if is_encoder(family) else "decode.onnx"
        inline(Path(out) / graph, folder / "model.onnx")
    convert(folder, precision, "model.onnx")


def inline(graph, target):
    """Weights into the graph's own file."""
    import onnx

    onnx.save(onnx.load(graph), target)


def convert(folder, precision, name):
    """Turns the graph into what the hub has beside a float32 graph, under the hub's name for it."""
    import onnx

    graph = folder / name
    if precision == "f16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        model = convert_float_to_float16(onnx.load(graph), keep_io_types=False, disable_shape_infer=False)
        onnx.save(model, folder / "model_fp16.onnx")
    elif precision == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        # Shapes that an exporter's fusions have left behind would be taken for a contradiction.
        model = onnx.load(graph)
        del model.graph.value_info[:]
        onnx.save(model, graph)
        quantize_dynamic(
            graph,
            folder / "model_quantized.onnx",
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    elif precision == "int4":
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantizer = MatMulNBitsQuantizer(onnx.load(graph), bits=4, block_size=32, is_symmetric=True)
        quantizer.process()
        quantizer.model.save_model_to_file(str(folder / "model_q4.onnx"))
    if precision != "f32":
        graph.unlink()


def from_f32(work, family, exporter, folder, precision):
    """float16 and 8 bits are made of the float32 graph that is there already."""
    made = work / family / f"{exporter}-f32" / "model.onnx"
    if exporter == "genai" or precision not in ["f16", "int8"] or not made.exists():
        return False
    folder.mkdir(parents=True)
    shutil.copy(made, folder / "model.onnx")
    convert(folder, precision, "model.onnx")
    return True


EXPORTERS = {"genai": genai, "optimum": optimum, "transformers": own}


def export(work, family, exporter, precision):
    folder = work / family / f"{exporter}-{precision}"
    failed = folder.with_suffix(".failed")
    shutil.rmtree(folder, ignore_errors=True)
    failed.unlink(missing_ok=True)
    source = source_of(work, family, precision)
    try:
        if not from_f32(work, family, exporter, folder, precision):
            EXPORTERS[exporter](family, source, folder, precision)
        copy_beside(source, folder)
        print(family, exporter, precision, "exported", flush=True)
    except (Exception, SystemExit) as error:
        shutil.rmtree(folder, ignore_errors=True)
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]
        failed.write_text(reason + "\n\n" + traceback.format_exc())
        print(family, exporter, precision, "FAILED:", reason, flush=True)


def precisions(family, exporter):
    """Encoders are not kept in 4 bits. What the builder gives in all precisions is not made in all of them again."""
    if is_encoder(family):
        return ["f32"] if exporter == "transformers" else ["f32", "f16", "int8"]
    if exporter == "genai":
        # Its float16 is made for GPUs: the processor runs the first step and refuses the second.
        return ["f32", "int8", "int4"]
    again = exporter == "transformers" and "genai" in FAMILIES[family].exporters
    return ["f32"] if again and family not in BUILDER_LACKS else list(GENAI)


def main():
    torch.set_num_threads(1)
    work, exporter, *names = sys.argv[1:]
    for name in names or FAMILIES:
        if exporter in FAMILIES[name].exporters and (Path(work) / name / "source").exists():
            for precision in precisions(name, exporter):
                export(Path(work), name, exporter, precision)


if __name__ == "__main__":
    main()
