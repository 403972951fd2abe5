namespace Ds2.Runtime.Data;

/// <summary>What a line that is no manifest's looks like, and what to do about it.</summary>
internal static class ManifestHint
{
    private static readonly HashSet<string> ColumnNames = new(StringComparer.OrdinalIgnoreCase)
    {
        "audio", "audio_path", "audio_filepath", "audio path", "client_id", "duration", "file", "file_name", "filename", "id", "path", "sentence", "speaker", "text", "text_path", "text path",
        "transcript", "transcription", "txt", "utterance", "wav", "wav_filename", "wav_filesize", "wav_path",
    };

    /// <summary>Whether a line names columns.</summary>
    public static bool IsHeader(ReadOnlySpan<char> line)
    {
        int comma = line.IndexOfAny(',', '\t');
        if (comma < 0 || line[..comma].ContainsAny('.', '/'))
            return false;
        return line.ToString().Split(',', '\t').All(name => ColumnNames.Contains(name.Trim().Trim('"')));
    }

    /// <summary>A hint to stand after the error; empty where the line looks like nothing known.</summary>
    public static string Of(ReadOnlySpan<char> line, bool isFirst)
    {
        if (isFirst && IsHeader(line))
            return ": this looks like a header; a manifest has none: remove the line, and keep the columns of the two paths";
        if (line[0] is '{' or '[')
            return ": this looks like JSON; write the two paths of each entry on a line, separated by a comma";
        string[] columns = line.ToString().Split(',');
        if (columns.Length == 1 && line.Contains('\t'))
            return ": the columns are separated by tabs; separate them by a comma";
        if (line.Contains('"'))
            return ": a path in quotes ends with a quote before the comma, and a quote in it is doubled";
        if (columns.Length > 2 && LooksLikeText(columns[^1]))
            return $": the last column looks like the text itself: '{columns[^1].Trim()}'; write it to a file and name that";
        return columns.Length > 2 ? ": put a path that has a comma in it in double quotes" : "";
    }

    /// <summary>Whether a column is rather something that is said than a path: it has no ending as files have.</summary>
    public static bool LooksLikeText(string column) => !Path.GetFileName(column.Trim()).TrimEnd('.').Contains('.', StringComparison.Ordinal) && column.Any(char.IsLetter);
}
