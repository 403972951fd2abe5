using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Google.Protobuf;

namespace Ds2.Train.Reporting.TensorBoard;

/// <summary>Writes a file that TensorBoard reads: TFRecords, each an <c>Event</c> message.</summary>
/// <remarks>
/// A record is the data's length (8 bytes), the length's checksum, the data, the data's checksum; numbers are little-endian, checksums are masked CRC-32C
/// (tensorflow/core/lib/io/record_writer.h). The fields of <c>Event</c> are those of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
/// A record reaches the system in one write.
/// </remarks>
internal sealed class EventFile : IDisposable
{
    /// <summary>The names of such files.</summary>
    public const string Pattern = "*tfevents*";

    private const string Version = "brain.Event:2";
    private const ulong SessionStart = 1;

    private readonly AppendedFile file;

    /// <summary>A new file in a folder, which TensorBoard reads after the ones that are there.</summary>
    public EventFile(string folder)
    {
        int earlier = Directory.Exists(folder) ? Directory.GetFiles(folder, Pattern).Length : 0;
        long seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        string name = string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{seconds:D10}.{earlier:D4}.{Environment.MachineName}");
        file = new AppendedFile(() =>
        {
            Directory.CreateDirectory(folder);
            return new FileStream(Path.Combine(folder, name), FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        });
        Write(step: 0, output =>
        {
            output.WriteTag(3, WireFormat.WireType.LengthDelimited);
            output.WriteString(Version);
        });
    }

    /// <summary>Has TensorBoard forget what earlier files say of this step and later ones: the run goes on from a checkpoint before it.</summary>
    public void Restart(long step) => Write(step, output => WriteMessage(output, field: 7, session =>
    {
        session.WriteTag(1, WireFormat.WireType.Varint);
        session.WriteUInt64(SessionStart);
    }));

    /// <summary>Adds a point to several curves.</summary>
    public void Scalars(long step, params ReadOnlySpan<(string Tag, double Value)> scalars)
    {
        (string, double)[] values = scalars.ToArray();
        Write(step, output => WriteMessage(output, field: 5, summary =>
        {
            foreach ((string tag, double value) in values)
            {
                WriteMessage(summary, field: 1, point =>
                {
                    point.WriteTag(1, WireFormat.WireType.LengthDelimited);
                    point.WriteString(tag);
                    point.WriteTag(2, WireFormat.WireType.Fixed32);
                    point.WriteFloat((float)value);
                });
            }
        }));
    }

    public void Dispose() => file.Dispose();

    private static void WriteMessage(CodedOutputStream output, int field, Action<CodedOutputStream> write)
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(Message(write)));
    }

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
            write(output);
        return buffer.ToArray();
    }

    private static uint MaskedChecksum(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in data)
            crc = BitOperations.Crc32C(crc, value);
        return BitOperations.RotateRight(~crc, 15) + 0xa282ead8;
    }

    private void Write(long step, Action<CodedOutputStream> write)
    {
        byte[] data = Message(output =>
        {
            output.WriteTag(1, WireFormat.WireType.Fixed64);
            output.WriteDouble(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1e3);
            output.WriteTag(2, WireFormat.WireType.Varint);
            output.WriteInt64(step);
            write(output);
        });
        var record = new byte[sizeof(ulong) + sizeof(uint) + data.Length + sizeof(uint)];
        BinaryPrimitives.WriteInt64LittleEndian(record, data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), MaskedChecksum(record.AsSpan(0, 8)));
        data.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + data.Length), MaskedChecksum(data));
        file.Write(record);
    }
}
