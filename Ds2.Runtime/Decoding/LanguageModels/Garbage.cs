namespace Ds2.Runtime.Decoding.LanguageModels;

/// <summary>Gives memory back as soon as it is not needed any more: what is said to be needed is what is in use at a time, and the collector comes when it likes.</summary>
internal static class Garbage
{
    /// <summary>Less than this is left to the collector.</summary>
    private const long Worth = 1 << 20;

    /// <summary>Collects what was let go.</summary>
    /// <param name="bytes">About how much it is.</param>
    public static void Collect(long bytes)
    {
        if (bytes >= Worth)
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }
}
