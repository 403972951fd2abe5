namespace Ds2.Runtime.Evaluation;

/// <summary>What was heard of a batch's utterances.</summary>
/// <param name="Texts">[N]: the texts.</param>
/// <param name="Others">[N]: those of a second decoder; null where there is none.</param>
/// <param name="Losses">[N]: CTC's losses of what was said, nats.</param>
internal sealed record HeardBatch(string[] Texts, string[]? Others, double[] Losses)
{
    /// <summary>Batches by their places in the epoch, as bytes for another rank; never none.</summary>
    public static byte[] Write(IReadOnlyDictionary<int, HeardBatch> batches)
    {
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(batches.Count);
        foreach ((int index, HeardBatch batch) in batches)
        {
            writer.Write(index);
            writer.Write(batch.Texts.Length);
            writer.Write(batch.Others is not null);
            for (int i = 0; i < batch.Texts.Length; i++)
            {
                writer.Write(batch.Texts[i]);
                if (batch.Others is not null)
                    writer.Write(batch.Others[i]);
                writer.Write(batch.Losses[i]);
            }
        }

        writer.Flush();
        return stream.ToArray();
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static IEnumerable<KeyValuePair<int, HeardBatch>> Read(byte[] message)
    {
        using var reader = new BinaryReader(new MemoryStream(message));
        for (int count = reader.ReadInt32(); count > 0; count--)
        {
            int index = reader.ReadInt32(), length = reader.ReadInt32();
            bool hasOthers = reader.ReadBoolean();
            var batch = new HeardBatch(new string[length], hasOthers ? new string[length] : null, new double[length]);
            for (int i = 0; i < length; i++)
            {
                batch.Texts[i] = reader.ReadString();
                if (batch.Others is not null)
                    batch.Others[i] = reader.ReadString();
                batch.Losses[i] = reader.ReadDouble();
            }

            yield return KeyValuePair.Create(index, batch);
        }
    }
}
