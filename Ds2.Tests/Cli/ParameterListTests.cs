using Ds2.Runtime.Options;
using Ds2.Runtime.Training;
using Ds2.Tests.Data;
using Ds2.Tests.Layout;

namespace Ds2.Tests.Cli;

/// <summary>What users are told of the parameters: the list, the nearest name, the range.</summary>
[NonParallelizable]
public sealed class ParameterListTests
{
    [Test]
    public void ListParameters_HasEachWithMeaningRangeAndPresets_AndStartsNothing()
    {
        using var folder = new TempFolder();
        (int code, string output, string error) = Program.Run("train", "--list-parameters", "--out", folder["run"]);
        string[][] rows = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray())];
        Assert.Multiple(() =>
        {
            Assert.That((code, error), Is.EqualTo((0, "")));
            Assert.That(folder["run"], Does.Not.Exist);
            Assert.That(rows[0], Is.EqualTo(new[] { "name", "meaning", "values", "`mini`", "`cpu`", "`gpu`", "`mlperf`", "`ds2`" }));
            Assert.That(rows.Skip(2).Select(row => row[0]), Is.EqualTo(RunOptions.All.Select(option => $"`{option.Name}`")));
            Assert.That(rows.Skip(2).SelectMany(row => row[1..3]), Has.None.Empty);
            Assert.That(rows.Single(row => row[0] == "`hidden`")[2..], Is.EqualTo(new[] { "a whole number, at least 1 and at most 65536", "192", "320", "768", "2560", "2560" }));
            Assert.That(rows.Single(row => row[0] == "`optimizer`")[2..], Is.EqualTo(new[] { "sgd, adamw, muon", "adamw", "muon", "muon", "sgd", "sgd" }));
            Assert.That(rows, Has.All.Length.EqualTo(8), "no cell has a bar in it");
        });
    }

    /// <summary>Every property of the options is one that users can set.</summary>
    [Test]
    public void All_NamesStandOnceAndCoverTheOptionsJson()
    {
        string[] names = [.. RunOptions.All.Select(option => option.Name)];
        Assert.That(names, Is.Unique);
        Assert.That(System.Text.Json.Nodes.JsonNode.Parse(new RunOptions().ToJson())!.AsObject().Select(pair => pair.Key), Is.EqualTo(names));
        Assert.That(OptionInfo.Of<TrainingOptions>(), Has.Count.EqualTo(typeof(TrainingOptions).GetProperties().Count(property => property.CanWrite)));
    }

    [Test]
    public void Documentation_HasTheSameTable()
    {
        string path = Path.Combine(Repository.Require(), "docs", "parameters.md");
        string[] lines = File.ReadAllLines(path);
        (_, string table, _) = Program.Run("train", "--list-parameters");
        int start = Array.FindIndex(lines, line => line.StartsWith('|'));
        Assert.That(
            string.Join('\n', lines[start..]), Is.EqualTo(table.TrimEnd('\n')), $"{path}: its table is the output of train --list-parameters");
    }

    [TestCase("hiden", "hidden")]
    [TestCase("Hidden", "hidden")]
    [TestCase("batchsize", "batch", false)]
    [TestCase("rnn-batch-norm", "rnnBatchNorm")]
    [TestCase("warmup", "warmupSteps", false)]
    [TestCase("learningRate", "lr", false)]
    [TestCase("epoch", "epochs")]
    public void MisspeltName_GetsTheNearest(string name, string meant, bool near = true)
    {
        (int code, _, string error) = Program.Run("train", "--set", $"{name}=1");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain($"unknown parameter '{name}'").And.Contain("--list-parameters"));
        if (near)
            Assert.That(error, Does.Contain($"did you mean '{meant}'?"));
    }

    [TestCase("hidden=0", "'hidden' is 0, but must be a whole number, at least 1")]
    [TestCase("momentum=1", "'momentum' is 1, but must be a number, at least 0 and below 1")]
    [TestCase("noiseProbability=1.5", "'noiseProbability' is 1.5, but must be a number, at least 0 and at most 1")]
    [TestCase("anneal=0", "'anneal' is 0, but must be a number, above 0")]
    [TestCase("skipLossZ=-1", "'skipLossZ' is -1, but must be a number, at least 0")]
    [TestCase("order=random", "must be sorted, sortagrad, shuffled")]
    [TestCase("layers=2.5", "must be a whole number, at least 1")]
    [TestCase("augment=maybe", "must be true or false")]
    public void ValueOutOfRange_SaysTheRange(string setting, string expected)
    {
        (int code, _, string error) = Program.Run("train", "--set", setting);
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain(expected));
        Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
    }
}
