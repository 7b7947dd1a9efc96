/** Bytes of ONNX models: the two graphs that are run beside ours. Field numbers are those of onnx.proto. */
import protobuf from "protobufjs/light.js";

const { root } = protobuf.Root.fromJSON({
  nested: {
    ModelProto: message({
      irVersion: ["int64", 1],
      graph: ["GraphProto", 7],
      opsetImport: ["OperatorSetId[]", 8],
    }),
    OperatorSetId: message({ domain: ["string", 1], version: ["int64", 2] }),
    GraphProto: message({
      node: ["NodeProto[]", 1],
      name: ["string", 2],
      initializer: ["TensorProto[]", 5],
      input: ["ValueInfo[]", 11],
      output: ["ValueInfo[]", 12],
    }),
    NodeProto: message({
      input: ["string[]", 1],
      output: ["string[]", 2],
      opType: ["string", 4],
      attribute: ["Attribute[]", 5],
    }),
    Attribute: message({ name: ["string", 1], i: ["int64", 3], ints: ["int64[]", 8], type: ["int32", 20] }),
    TensorProto: message({
      dims: ["int64[]", 1],
      dataType: ["int32", 2],
      name: ["string", 8],
      rawData: ["bytes", 9],
    }),
    ValueInfo: message({ name: ["string", 1], type: ["TypeProto", 2] }),
    TypeProto: message({ tensorType: ["TensorType", 1] }),
    TensorType: message({ elemType: ["int32", 1], shape: ["ShapeProto", 2] }),
    ShapeProto: message({ dim: ["Dimension[]", 1] }),
    Dimension: message({ dimValue: ["int64", 1] }),
  },
});

function message(fields) {
  const entries = Object.entries(fields).map(([name, [type, id]]) => [
    name,
    type.endsWith("[]") ? { rule: "repeated", type: type.slice(0, -2), id } : { type, id },
  ]);
  return { fields: Object.fromEntries(entries) };
}

const FLOAT = 1;
const INT64 = 7;
const INT_ATTRIBUTE = 2;
const INTS_ATTRIBUTE = 7;

/** Softmax attention `[heads, tokens, dim]`: MatMul, Softmax, MatMul. */
export function exactModel(heads, tokens, dim) {
  return model([heads, tokens, dim], {
    nodes: [
      node("Mul", ["q", "scale"], "scaled"),
      node("Transpose", ["k"], "transposed", { perm: [0, 2, 1] }),
      node("MatMul", ["scaled", "transposed"], "logits"),
      node("Softmax", ["logits"], "weights", { axis: -1 }),
      node("MatMul", ["weights", "v"], "output"),
    ],
    constants: [constant("scale", [], [dim ** -0.5])],
  });
}

/**
 * FAVOR+ `[heads, tokens, dim]`, `directions` being `[dim, count]`. As in Performers, the features are made relative to
 * their largest, of each query and of all keys. |q|² / 2 cancels in the normalisation.
 */
export function lowRankModel(heads, tokens, dim, directions) {
  const count = directions.length / dim;
  return model([heads, tokens, dim], {
    nodes: [
      node("Mul", ["q", "root"], "qs"),
      node("MatMul", ["qs", "directions"], "qw"),
      node("ReduceMax", ["qw"], "qmax", { axes: [2], keepdims: 1 }),
      node("Sub", ["qw", "qmax"], "qlog"),
      node("Exp", ["qlog"], "qf"),
      node("Mul", ["k", "root"], "ks"),
      node("MatMul", ["ks", "directions"], "kw"),
      node("Mul", ["ks", "ks"], "squares"),
      node("ReduceSum", ["squares", "last"], "norms", { keepdims: 1 }),
      node("Mul", ["norms", "half"], "halves"),
      node("Sub", ["kw", "halves"], "kraw"),
      node("ReduceMax", ["kraw"], "kmax", { axes: [1, 2], keepdims: 1 }),
      node("Sub", ["kraw", "kmax"], "klog"),
      node("Exp", ["klog"], "kf"),
      node("Transpose", ["kf"], "kft", { perm: [0, 2, 1] }),
      node("MatMul", ["kft", "v"], "state"),
      node("ReduceSum", ["kf", "middle"], "mass", { keepdims: 1 }),
      node("MatMul", ["qf", "state"], "numerator"),
      node("Transpose", ["mass"], "column", { perm: [0, 2, 1] }),
      node("MatMul", ["qf", "column"], "denominator"),
      node("Div", ["numerator", "denominator"], "output"),
    ],
    constants: [
      constant("root", [], [dim ** -0.25]),
      constant("half", [], [0.5]),
      constant("directions", [dim, count], directions),
      axis("last", 2),
      axis("middle", 1),
    ],
  });
}

function model(shape, { nodes, constants }) {
  const type = { tensorType: { elemType: FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } };
  const value = (name) => ({ name, type });
  const Model = root.lookupType("ModelProto");
  const message = Model.fromObject({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 13 }],
    graph: {
      name: "attention",
      node: nodes,
      initializer: constants,
      input: ["q", "k", "v"].map(value),
      output: [value("output")],
    },
  });
  return Model.encode(message).finish();
}

function node(opType, input, output, attributes = {}) {
  const attribute = Object.entries(attributes).map(([name, value]) =>
    Array.isArray(value)
      ? { name, ints: value, type: INTS_ATTRIBUTE }
      : { name, i: value, type: INT_ATTRIBUTE },
  );
  return { opType, input, output: [output], attribute };
}

function constant(name, dims, values) {
  return { name, dims, dataType: FLOAT, rawData: new Uint8Array(Float32Array.from(values).buffer) };
}

function axis(name, value) {
  return {
    name,
    dims: [1],
    dataType: INT64,
    rawData: new Uint8Array(BigInt64Array.of(BigInt(value)).buffer),
  };
}
