using System.Runtime.InteropServices;
using Google.Protobuf;

namespace Ds2.Bench.Peers.Inference;

/// <summary>An ONNX model in the making: nodes, constants, one input, one output.</summary>
/// <remarks>The fields are those of onnx.proto (<c>ModelProto</c>, <c>GraphProto</c>, <c>NodeProto</c>, <c>AttributeProto</c>, <c>TensorProto</c>, <c>ValueInfoProto</c>), as far as a DeepSpeech2 needs them.</remarks>
internal sealed class OnnxFile
{
    private const int Float = 1;
    private const int Int64 = 7;
    private const int IrVersion = 8;
    private const int Opset = 17;

    private readonly List<byte[]> nodes = [];
    private readonly List<byte[]> constants = [];

    /// <summary>Adds a node with one output, and gives the output's name.</summary>
    /// <param name="operation">ONNX's name of the operation.</param>
    /// <param name="output">The output's name, unique in the graph.</param>
    /// <param name="inputs">Names of inputs or constants; empty for an optional input that is left out.</param>
    /// <param name="attributes">Each an int, a float, a string or an array of int.</param>
    public string Add(string operation, string output, string[] inputs, params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        (string, object)[] values = attributes.ToArray();
        nodes.Add(Message(node =>
        {
            foreach (string input in inputs)
                Text(node, 1, input);
            Text(node, 2, output);
            Text(node, 4, operation);
            foreach ((string name, object value) in values)
                Bytes(node, 5, Attribute(name, value));
        }));
        return output;
    }

    /// <summary>Adds a constant of fp32, and gives its name.</summary>
    public string Constant(string name, float[] values, params int[] shape) => Constant(name, Float, MemoryMarshal.AsBytes(values.AsSpan()).ToArray(), shape);

    /// <summary>Adds a vector of integers, and gives its name.</summary>
    public string Constant(string name, params long[] values) =>
        Constant(name, Int64, MemoryMarshal.AsBytes(values.AsSpan()).ToArray(), [values.Length]);

    /// <summary>The model's bytes.</summary>
    public byte[] ToArray(string input, int[] inputShape, string output, int[] outputShape) => Message(model =>
    {
        Number(model, 1, IrVersion);
        Text(model, 2, "Ds2.Bench");
        Bytes(model, 7, Message(graph =>
        {
            foreach (byte[] node in nodes)
                Bytes(graph, 1, node);
            Text(graph, 2, "DeepSpeech2");
            foreach (byte[] constant in constants)
                Bytes(graph, 5, constant);
            Bytes(graph, 11, ValueInfo(input, inputShape));
            Bytes(graph, 12, ValueInfo(output, outputShape));
        }));
        Bytes(model, 8, Message(opset =>
        {
            Text(opset, 1, "");
            Number(opset, 2, Opset);
        }));
    });

    private string Constant(string name, int type, byte[] data, int[] shape)
    {
        constants.Add(Message(tensor =>
        {
            foreach (int size in shape)
                Number(tensor, 1, size);
            Number(tensor, 2, type);
            Text(tensor, 8, name);
            Bytes(tensor, 9, data);
        }));
        return name;
    }

    private static byte[] Attribute(string name, object value) => Message(attribute =>
    {
        Text(attribute, 1, name);
        switch (value)
        {
            case float number:
                attribute.WriteTag(2, WireFormat.WireType.Fixed32);
                attribute.WriteFloat(number);
                Number(attribute, 20, 1);
                break;
            case int number:
                Number(attribute, 3, number);
                Number(attribute, 20, 2);
                break;
            case string text:
                Text(attribute, 4, text);
                Number(attribute, 20, 3);
                break;
            case int[] numbers:
                foreach (int number in numbers)
                    Number(attribute, 8, number);
                Number(attribute, 20, 7);
                break;
            default:
                throw new ArgumentException($"attribute {name}: {value.GetType()} has no place in a node", nameof(value));
        }
    });

    private static byte[] ValueInfo(string name, int[] shape) => Message(info =>
    {
        Text(info, 1, name);
        Bytes(info, 2, Message(type => Bytes(type, 1, Message(tensor =>
        {
            Number(tensor, 1, Float);
            Bytes(tensor, 2, Message(dimensions =>
            {
                foreach (int size in shape)
                    Bytes(dimensions, 1, Message(dimension => Number(dimension, 1, size)));
            }));
        }))));
    });

    private static void Number(CodedOutputStream output, int field, long value)
    {
        output.WriteTag(field, WireFormat.WireType.Varint);
        output.WriteInt64(value);
    }

    private static void Text(CodedOutputStream output, int field, string value)
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteString(value);
    }

    private static void Bytes(CodedOutputStream output, int field, byte[] value)
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(UnsafeByteOperations.UnsafeWrap(value));
    }

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
            write(output);
        return buffer.ToArray();
    }
}
