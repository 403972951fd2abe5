using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Ds2.Runtime.Audio;
using Ds2.Runtime.Files;

namespace Ds2.Runtime.Data;

/// <summary>What was read of the two files of a manifest's line.</summary>
/// <param name="Audio">The recording's file when it was read; default where nothing is known.</param>
/// <param name="Text">The transcript's.</param>
/// <param name="Recording">What the recording's header said.</param>
/// <param name="TextStart">Where the transcript begins in the block's texts.</param>
/// <param name="TextBytes">Its bytes.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct IndexRecord(FileStamp Audio, FileStamp Text, RecordingInfo Recording, int TextStart, int TextBytes);

/// <summary>What was read of the files of some neighbouring lines: a record for each, then all transcripts.</summary>
internal sealed class IndexBlock
{
    private readonly byte[] bytes;
    private readonly int lines;

    private IndexBlock(byte[] bytes, int lines) => (this.bytes, this.lines) = (bytes, lines);

    /// <summary>All of it, as it is stored.</summary>
    public ReadOnlySpan<byte> Bytes => bytes;

    private ReadOnlySpan<IndexRecord> Records => MemoryMarshal.Cast<byte, IndexRecord>(bytes.AsSpan(0, lines * Unsafe.SizeOf<IndexRecord>()));

    /// <summary>A block as it was stored; null where it has not as many lines.</summary>
    public static IndexBlock? Parse(byte[] bytes, int lines) => bytes.Length >= lines * Unsafe.SizeOf<IndexRecord>() ? new IndexBlock(bytes, lines) : null;

    /// <summary>What is known of a line whose files are as they were.</summary>
    /// <param name="line">The line within the block.</param>
    /// <param name="audio">The recording's file now.</param>
    /// <param name="text">The transcript's.</param>
    /// <param name="recording">What the recording's header says.</param>
    /// <param name="transcript">The transcript as it is written, UTF-8.</param>
    public bool TryFind(int line, FileStamp audio, FileStamp text, out RecordingInfo recording, out ReadOnlySpan<byte> transcript)
    {
        IndexRecord record = Records[line];
        recording = record.Recording;
        transcript = [];
        if (record.Audio != audio || record.Text != text)
            return false;
        transcript = bytes.AsSpan(Records.Length * Unsafe.SizeOf<IndexRecord>() + record.TextStart, record.TextBytes);
        return true;
    }

    /// <summary>A block being made.</summary>
    /// <param name="lines">Its lines.</param>
    /// <param name="seen">When its files began to be looked at.</param>
    /// <param name="tick">Of the file system's clock.</param>
    internal sealed class Builder(int lines, long seen, TimeSpan tick)
    {
        private readonly IndexRecord[] records = new IndexRecord[lines];
        private readonly ArrayBufferWriter<byte> texts = new(lines * 256);

        /// <summary>Takes note of a line, unless one of its files changed so recently that another change might not be seen.</summary>
        public void Add(int line, FileStamp audio, FileStamp text, RecordingInfo recording, ReadOnlySpan<byte> transcript)
        {
            if (!audio.IsSettled(seen, tick) || !text.IsSettled(seen, tick))
                return;
            records[line] = new IndexRecord(audio, text, recording, texts.WrittenCount, transcript.Length);
            texts.Write(transcript);
        }

        public IndexBlock Build() => new([.. MemoryMarshal.AsBytes<IndexRecord>(records), .. texts.WrittenSpan], records.Length);
    }
}
