namespace Ds2.Runtime.Files;

/// <summary>Fields of comma- or tab-separated text, quoted as RFC 4180 says.</summary>
public static class SeparatedValues
{
    /// <summary>A field as a reader will find it again: in quotes where it holds the separator, a quote or a line end, or white space at an end; a quote in it is doubled.</summary>
    /// <param name="value">The field.</param>
    /// <param name="separator">Comma or tab.</param>
    public static string Field(string value, char separator)
    {
        ArgumentNullException.ThrowIfNull(value);
        bool plain = value.AsSpan().IndexOfAny([separator, '"', '\n', '\r']) < 0 && value.AsSpan().Trim().Length == value.Length && !value.StartsWith('\uFEFF');
        return plain ? value : $"\"{value.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    /// <summary>Takes the next field off a line. White space around it is not part of it, unless it stands in quotes.</summary>
    /// <param name="line">One line; becomes what follows the field's separator.</param>
    /// <param name="separator">Comma or tab.</param>
    /// <param name="field">The field: a part of the line, copied only where quotes are doubled in it.</param>
    /// <param name="last">Whether no separator followed.</param>
    /// <returns>False where a quoted field does not end, or goes on after its closing quote.</returns>
    public static bool TryTake(scoped ref ReadOnlySpan<char> line, char separator, out ReadOnlySpan<char> field, out bool last)
    {
        ReadOnlySpan<char> trimmed = line.TrimStart();
        if (!trimmed.StartsWith("\""))
        {
            int end = line.IndexOf(separator);
            last = end < 0;
            field = (last ? line : line[..end]).Trim();
            line = last ? [] : line[(end + 1)..];
            return true;
        }

        field = [];
        last = false;
        ReadOnlySpan<char> content = trimmed[1..];
        int length = 0, doubled = 0;
        while (true)
        {
            int quote = content[length..].IndexOf('"');
            if (quote < 0)
                return false;
            length += quote;
            if (length + 1 == content.Length || content[length + 1] != '"')
                break;
            length += 2;
            doubled++;
        }
        field = doubled == 0 ? content[..length] : content[..length].ToString().Replace("\"\"", "\"", StringComparison.Ordinal);
        ReadOnlySpan<char> rest = content[(length + 1)..].TrimStart();
        last = rest.Length == 0;
        if (!last && rest[0] != separator)
            return false;
        line = last ? [] : rest[1..];
        return true;
    }
}
