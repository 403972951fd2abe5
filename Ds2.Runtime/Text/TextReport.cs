using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Ds2.Runtime.Text;

/// <summary>A character that the alphabet does not have, and where it stands.</summary>
/// <param name="Character">The character as the text has it.</param>
/// <param name="Image">What it is read as: letters, a space, or nothing where it has no sound; null if nothing stands for it and the model cannot hear it.</param>
/// <param name="Count">How often it occurs.</param>
/// <param name="FirstFile">The first transcript that has it.</param>
/// <param name="FirstLine">The manifest's line that names this transcript.</param>
public sealed record CharacterCount(Rune Character, string? Image, long Count, string FirstFile, int FirstLine)
{
    /// <summary>Whether the character can be seen by itself.</summary>
    public bool IsVisible => Rune.GetUnicodeCategory(Character) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse
        or UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark);

    /// <summary>The character in quotes, or its code where it cannot be seen.</summary>
    public string Name => IsVisible ? $"'{Character}'" : $"U+{Character.Value:X4}";
}

/// <summary>What the alphabet does not have in the texts of a manifest, counted by character.</summary>
/// <remarks>One thread at a time; give each its own, and <see cref="Merge"/> them in any order.</remarks>
/// <param name="manifest">The manifest.</param>
public sealed class TextReport(string manifest)
{
    private const int MostNamed = 3;

    private readonly Dictionary<Rune, Tally> tallies = [];

    /// <summary>The manifest.</summary>
    public string Manifest { get; } = manifest;

    /// <summary>Characters that the alphabet cannot write, the most frequent first. They stay in the text that is scored and are left out of the labels.</summary>
    public IReadOnlyList<CharacterCount> ForeignCharacters => Sorted(mapped: false);

    /// <summary>Characters that are read as others, or as nothing, the most frequent first.</summary>
    public IReadOnlyList<CharacterCount> MappedCharacters => Sorted(mapped: true);

    /// <summary>Adds what another report of the same manifest has.</summary>
    /// <param name="other">Stays as it is.</param>
    public void Merge(TextReport other)
    {
        ArgumentNullException.ThrowIfNull(other);
        foreach ((Rune character, Tally tally) in other.tallies)
            Add(character, tally);
    }

    /// <summary>One line on the characters that the alphabet cannot write: how many there are, and the most frequent with their first places. Null where there are none.</summary>
    public string? Summary()
    {
        IReadOnlyList<CharacterCount> foreign = ForeignCharacters;
        if (foreign.Count == 0)
            return null;
        long all = foreign.Sum(count => count.Count);
        string named = string.Join("; ", foreign.Take(MostNamed).Select(c => $"{c.Name} {Times(c.Count)}, first in {c.FirstFile} (line {c.FirstLine} of {Manifest})"));
        string rest = foreign.Count > MostNamed ? $"; and {foreign.Count - MostNamed} kinds more" : "";
        return $"{all} {(all == 1 ? "character" : "characters")} of {foreign.Count} {(foreign.Count == 1 ? "kind is" : "kinds are")} outside the alphabet and cannot be heard: {named}{rest}";
    }

    /// <summary>Refuses texts that the alphabet cannot write as a whole.</summary>
    /// <exception cref="InputException">There are such characters: the most frequent are named.</exception>
    public void RequireWritable()
    {
        if (Summary() is { } summary)
            throw new InputException($"{Manifest}: {summary}; write out in letters what is said");
    }

    internal void Foreign(Rune character, string textPath, int line) => Add(character, new Tally(null, 1, textPath, line));

    internal void Mapped(Rune character, string image, string textPath, int line) => Add(character, new Tally(image, 1, textPath, line));

    private static string Times(long count) => count == 1 ? "once" : $"{count} times";

    private void Add(Rune character, Tally more)
    {
        ref Tally tally = ref CollectionsMarshal.GetValueRefOrAddDefault(tallies, character, out bool seen);
        tally = !seen ? more : (more.FirstLine < tally.FirstLine ? more : tally) with { Count = tally.Count + more.Count };
    }

    private CharacterCount[] Sorted(bool mapped) =>
    [
        .. tallies.Where(pair => pair.Value.Image is not null == mapped).OrderByDescending(pair => pair.Value.Count).ThenBy(pair => pair.Key.Value)
            .Select(pair => new CharacterCount(pair.Key, pair.Value.Image, pair.Value.Count, pair.Value.FirstFile, pair.Value.FirstLine)),
    ];

    private readonly record struct Tally(string? Image, long Count, string FirstFile, int FirstLine);
}
