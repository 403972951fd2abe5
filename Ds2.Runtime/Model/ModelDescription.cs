using System.Text.Json;
using System.Text.Json.Nodes;
using Ds2.Runtime.Data;
using Ds2.Runtime.Features;
using Ds2.Runtime.Options;
using Ds2.Runtime.Text;

namespace Ds2.Runtime.Model;

/// <summary>What a recognizer is, its values apart: what it hears, how large it is, what it writes.</summary>
/// <param name="Options">Features and sizes.</param>
/// <param name="Alphabet">Its labels.</param>
/// <param name="FeatureStatistics">The figures of the training set, where features are normalized by them; else null.</param>
/// <param name="Typical">What the training set's utterances are like; null where it is not known.</param>
public sealed record ModelDescription(ModelOptions Options, Alphabet Alphabet, RowStatistics? FeatureStatistics = null, TypicalUtterance? Typical = null)
{
    private const string LabelsKey = "alphabet", MeansKey = "featureMeans", DeviationsKey = "featureDeviations", TypicalKey = "typicalUtterance";

    /// <summary>The model's sizes.</summary>
    public Architecture Architecture => Options.ArchitectureFor(Alphabet);

    /// <summary>Makes what the model hears.</summary>
    public FeatureExtractor CreateExtractor() => new(Options.Features, Options.Normalization, FeatureStatistics);

    /// <summary>The description as a JSON object.</summary>
    public string ToJson()
    {
        var json = (JsonObject)OptionsJson.ToNode(Options, typeof(ModelOptions))!;
        json[LabelsKey] = JsonSerializer.SerializeToNode(Alphabet.Labels);
        if (FeatureStatistics is not null)
        {
            json[MeansKey] = JsonSerializer.SerializeToNode(FeatureStatistics.Means);
            json[DeviationsKey] = JsonSerializer.SerializeToNode(FeatureStatistics.Deviations);
        }
        if (Typical is not null)
            json[TypicalKey] = JsonSerializer.SerializeToNode(Typical, JsonSerializerOptions.Web);

        return json.ToJsonString();
    }

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="InputException">It is malformed, or of a kind of model that this version does not know.</exception>
    public static ModelDescription Parse(string json, string source)
    {
        JsonObject values = OptionsJson.Parse(json, source);
        RefuseUnknown(values, source);
        ModelOptions options = OptionsJson.Read(values, source, new ModelOptions());
        return new ModelDescription(
            options, AlphabetIn(values, source), options.Normalization == FeatureNormalization.Corpus ? StatisticsIn(values, source, options) : null, TypicalIn(values, source));
    }

    /// <summary>What is not known here may decide what the numbers of the model mean, as a stride does: without it they would give nonsense in silence.</summary>
    private static void RefuseUnknown(JsonObject values, string source)
    {
        var known = OptionInfo.Of<ModelOptions>().Select(option => option.Name).Concat([LabelsKey, MeansKey, DeviationsKey, TypicalKey]).ToHashSet();
        foreach ((string name, JsonNode? value) in values)
        {
            // A stride of the second convolution in time: an option of some versions, which wrote it down where it was 1, too.
            bool isDefault = name == "secondStride" && value?.ToJsonString() == "1";
            if (!known.Contains(name) && !isDefault)
                throw new InputException($"{source}: has {name}={value?.ToJsonString() ?? "null"}, which this version of Ds2 does not know; use the version that trained it");
        }
    }

    private static Alphabet AlphabetIn(JsonObject values, string source) => Reading($"{source}: the alphabet", () =>
        new Alphabet(values[LabelsKey].Deserialize<string[]>() ?? throw new InputException($"{source}: has no alphabet")));

    private static RowStatistics StatisticsIn(JsonObject values, string source, ModelOptions options) => Reading($"{source}: {MeansKey} and {DeviationsKey}", () =>
    {
        var statistics = new RowStatistics(values[MeansKey].Deserialize<float[]>() ?? [], values[DeviationsKey].Deserialize<float[]>() ?? []);
        int rows = new FeatureExtractor(options.Features).Rows;
        return statistics.Rows == rows ? statistics : throw new ArgumentException($"{statistics.Rows} rows where the features have {rows}");
    });

    private static TypicalUtterance? TypicalIn(JsonObject values, string source) => Reading($"{source}: {TypicalKey}", () =>
        values[TypicalKey].Deserialize<TypicalUtterance>(JsonSerializerOptions.Web) is not { } typical ? null
            : typical is { Seconds: > 0 and < 1e6, EdgeSilence: null or >= 0 and < 60 } ? typical : throw new ArgumentException($"{typical} is no utterance"));

    private static T Reading<T>(string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or InvalidOperationException)
        {
            throw new InputException($"{what}: malformed: {exception.Message}", exception);
        }
    }
}
