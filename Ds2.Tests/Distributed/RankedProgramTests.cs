using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Ds2.Runtime.Training;
using Ds2.Tests.Layout;
using Ds2.Tests.Training;

namespace Ds2.Tests.Distributed;

/// <summary><c>Ds2.Train train</c> under a launcher: the same checkpoint from any number of processes, and what becomes of a job that fails.</summary>
public sealed class RankedProgramTests
{
    private const string OpenMpi = "mpirun.openmpi", Mpich = "mpirun.mpich";

    private TinyCorpus corpus = null!;

    [SetUp]
    public void MakeCorpus() => corpus = new TinyCorpus();

    [TearDown]
    public void DeleteCorpus() => corpus.Dispose();

    /// <summary>Thirty steps, in orders drawn anew, with changed features; each epoch ends with a step that has fewer batches than the others.</summary>
    [TestCase(OpenMpi, "sgd", 2, 4)]
    [TestCase(OpenMpi, "adamw", 2, 4)]
    [TestCase(Mpich, "adamw", 2)]
    public void Train_AnyRanks_SameCheckpoint(string launcher, string optimizer, params int[] ranks)
    {
        string[] settings = ["accumulate=4", $"optimizer={optimizer}", "epochs=15"];
        Dictionary<string, float[]> alone = Finish(launcher, 1, Arguments("alone", settings));
        foreach (int count in ranks)
            Assert.That(Finish(launcher, count, Arguments($"ranks-{count}", settings)), Is.EqualTo(alone), $"{count} ranks");
    }

    [Test]
    public void Train_ResumedOnOtherRanks_SameCheckpointAsWithoutBreak()
    {
        string[] settings = ["accumulate=2", "optimizer=adamw"];
        Dictionary<string, float[]> whole = Finish(OpenMpi, 1, [.. Arguments("whole", settings), "--epochs", "4"]);
        string[] broken = Arguments("broken", settings);
        Finish(OpenMpi, 2, [.. broken, "--epochs", "2"]);
        Assert.That(Finish(OpenMpi, 1, [.. broken, "--epochs", "4", "--resume", "auto"]), Is.EqualTo(whole));
    }

    [Test]
    public void Train_WhatAllRanksFailOf_IsSaidOnce()
    {
        MpiJob.Result job = MpiJob.RunProgram(OpenMpi, 2, Program, "train", "--train-manifest", corpus.PathOf("none.csv"), "--val-manifest", corpus.Manifest, "--out", corpus.PathOf("none"));
        Assert.That((job.Code, job.Lines.Length), Is.EqualTo((2, 1)), job.Output + job.Error);
        Assert.That(job.Lines[0], Does.StartWith("ds2: rank 0 on ").And.Contain("none.csv"));
    }

    [Test]
    public void Evaluate_UnderALauncher_IsRefused()
    {
        MpiJob.Result job = MpiJob.RunProgram(OpenMpi, 2, Program, "evaluate", "--checkpoint", corpus.PathOf("none.safetensors"), "--manifest", corpus.Manifest);
        Assert.That(job.Code, Is.EqualTo(2), job.Output + job.Error);
        Assert.That(job.Lines, Has.All.StartsWith("ds2: evaluate: 2 processes would all do the same"));
    }

    /// <summary>Every command but train, with what it must be given; the environment is all that is looked at.</summary>
    [TestCaseSource(nameof(OtherCommands))]
    public void OtherCommand_UnderALauncher_IsRefused(string name, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Program, .. arguments]) { WorkingDirectory = corpus.Folder, RedirectStandardError = true };
        start.Environment["OMPI_COMM_WORLD_SIZE"] = "2";
        using Process process = Process.Start(start)!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.EqualTo(2), error);
        Assert.That(error, Does.StartWith($"ds2: {name}: 2 processes would all do the same"));
    }

    [Test]
    public void Script_UnderALauncher_IsRefused()
    {
        (int code, string output) = Script("download_dataset.sh", [], ("PMI_SIZE", "2"));
        Assert.That(code, Is.EqualTo(2), output);
        Assert.That(output, Does.StartWith("download_dataset.sh: each process of the launcher would do the same"));
    }

    [TestCase(OpenMpi)]
    [TestCase(Mpich)]
    public void ClusterCheck_OneMachine_FindsNothingWrong(string launcher)
    {
        MpiJob.Require(launcher);
        (int code, string output) = Script(
            "cluster_check.sh", ["-n", "2", "--mpirun", launcher == OpenMpi ? $"{launcher} --oversubscribe" : launcher, "--megabytes", "4", "--device", "host"],
            ("DS2", $"dotnet {Program}"), ("DS2_BENCH", $"dotnet {typeof(Ds2.Bench.Program).Assembly.Location}"));
        Assert.That(code, Is.Zero, output);
        foreach (string line in new[] { "ranks     2: 2 on ", "program   ", "folder    ", "library   ", "devices   rank 0 on ", "training  10 steps of 2 ranks leave the same bits", "exchange  4 MB in " })
            Assert.That(output, Does.Contain($"ok      {line}"));
        Assert.That(Directory.GetDirectories(corpus.Folder), Is.Empty, "it leaves something behind");
    }

    [Test]
    public void ClusterCheck_ProgramIsNotThere_SaysSo()
    {
        MpiJob.Require(Mpich);
        (int code, string output) = Script("cluster_check.sh", ["--mpirun", Mpich], ("DS2", $"dotnet {corpus.PathOf("Ds2.Train.dll")}"));
        Assert.That(code, Is.EqualTo(1), output);
        Assert.That(output, Does.Contain("FAILED  program ").And.Contain($"no {corpus.PathOf("Ds2.Train.dll")}").And.Not.Contain("training"));
    }

    [TestCase(3, 4)]
    [TestCase(1, 2)]
    public void Train_BatchesThatRanksCannotShare_IsSaid(int asked, int instead)
    {
        MpiJob.Result job = MpiJob.RunProgram(OpenMpi, 2, Program, Arguments("odd", $"accumulate={asked}"));
        Assert.That(job.Code, Is.EqualTo(2), job.Output + job.Error);
        Assert.That(job.Lines, Has.One.Contains($"2 ranks cannot share steps of {asked} batches evenly").And.Contain($"accumulate={instead}"));
    }

    /// <summary>What would have the ranks train on different things, each as if all were well.</summary>
    [TestCase("options")]
    [TestCase("texts")]
    [TestCase("model")]
    [TestCase("beam")]
    [TestCase("hot words")]
    public void Train_WhatDiffersBetweenRanks_IsSaidBeforeTheFirstStep(string what)
    {
        MpiJob.Require(OpenMpi);
        string[] own = Arguments("differ"), first = own, second = own;
        string expected = what;
        switch (what)
        {
            case "options":
                (first, second) = ([.. own, "--set", "lr=0.5"], [.. own, "--set", "lr=0.25"]);
                expected = "(\"lr\": 0.25, not \"lr\": 0.5)";
                break;
            case "texts":
                string copy = corpus.PathOf("copy");
                Directory.CreateDirectory(copy);
                foreach (string file in Directory.GetFiles(corpus.Folder))
                    File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
                File.WriteAllText(Path.Combine(copy, "0.txt"), "TOAST");
                second = [.. own.Select(argument => argument == corpus.Manifest ? Path.Combine(copy, Path.GetFileName(corpus.Manifest)) : argument)];
                expected = "texts or lengths of training recordings";
                break;
            case "model":
                Finish(Mpich, 1, [.. Arguments("a"), "--epochs", "1"]);
                Finish(Mpich, 1, [.. Arguments("b"), "--epochs", "1", "--seed", "2"]);
                first = [.. own, "--init", corpus.PathOf("a/latest.safetensors")];
                second = [.. own, "--init", corpus.PathOf("b/latest.safetensors")];
                expected = "checkpoints to go on from";
                break;
            case "beam":
                (first, second) = ([.. own, "--beam", "4"], [.. own, "--beam", "5"]);
                break;
            default:
                File.WriteAllText(corpus.PathOf("hot"), "TOAST\n");
                File.WriteAllText(corpus.PathOf("hotter"), "TOAST\t5\n");
                (first, second) = ([.. own, "--hotwords", corpus.PathOf("hot")], [.. own, "--hotwords", corpus.PathOf("hotter")]);
                break;
        }

        MpiJob.Result job = MpiJob.RunEach(OpenMpi, Program, first, second);
        Assert.That(job.Code, Is.EqualTo(2), job.Output + job.Error);
        Assert.That(job.Lines, Has.One.Contains("rank 1 on ").And.Contain("has other ").And.Contain(expected));
        Assert.That(job.Output, Does.Not.Contain("epoch 1"));
    }

    /// <summary>A process of the job that hangs before it has started MPI: the library itself would wait for it for ever.</summary>
    [TestCase(OpenMpi)]
    [TestCase(Mpich)]
    public void Train_ARankThatDoesNotStart_EndsTheJobInTime(string launcher)
    {
        MpiJob.Require(launcher);
        long start = Stopwatch.GetTimestamp();
        MpiJob.Result job = MpiJob.RunEach(launcher, [["dotnet", Program, .. Arguments("waits"), "--exchange-timeout", "3"], ["sleep", "60"]]);
        Assert.That(Stopwatch.GetElapsedTime(start).TotalSeconds, Is.LessThan(40));
        Assert.That(job.Code, Is.Not.Zero, job.Output + job.Error);
        Assert.That(job.Output + job.Error, Does.Contain("waited 3 s for all ranks to start MPI"));
    }

    /// <summary>Where a launcher gives processes a terminal, too, what is JSON is nothing else.</summary>
    [TestCase(OpenMpi)]
    [TestCase(Mpich)]
    public void Train_Json_IsNothingElse(string launcher)
    {
        MpiJob.Result job = MpiJob.RunProgram(launcher, 2, Program, [.. Arguments("json"), "--epochs", "1", "--json"]);
        Assert.That(job.Code, Is.Zero, job.Output + job.Error);
        foreach (string line in job.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            Assert.That(() => JsonDocument.Parse(line).Dispose(), Throws.Nothing, line);
    }

    /// <summary>Whatever process of a job is killed, all of them end soon, and any number of ranks goes on to the bits of a run without breaks. <c>data-scripts/kill_loop.sh</c>
    /// is the long form.</summary>
    [TestCase(OpenMpi, "rank", "launcher")]
    [TestCase(Mpich, "rank", "launcher", "hydra_pmi_proxy")]
    public void Train_Killed_EndsTheJob_AndResumesBitForBit(string launcher, params string[] victims)
    {
        string[] settings = ["accumulate=4", "optimizer=adamw"];
        Dictionary<string, float[]> whole = Finish(launcher, 1, [.. Arguments("whole", settings), "--epochs", "40"]);
        string[] broken = [.. Arguments("broken", settings), "--epochs", "40", "--resume", "auto"];
        string checkpoint = corpus.PathOf("broken/latest.safetensors");
        int ranks = 4;
        foreach (string victim in victims)
        {
            using MpiJob.Running job = MpiJob.Start(launcher, ranks, Program, broken);
            DateTime before = File.GetLastWriteTimeUtc(checkpoint);
            job.WaitFor(() => File.GetLastWriteTimeUtc(checkpoint) > before);
            Process[] all = MpiJob.Running.RanksWith(corpus.PathOf("broken"));
            Assert.That(all, Has.Length.EqualTo(ranks));
            using Process killed = victim == "rank" ? all[^1] : Process.GetProcessById(victim == "launcher" ? job.Id : ParentOf(all[0]));
            Assert.That(victim is "rank" or "launcher" || killed.ProcessName == victim);
            killed.Kill();
            MpiJob.Running.WaitForEndOf(all);
            Assert.That(job.End().Code, Is.Not.Zero, victim);
            TinyCorpus.AssertLoads(checkpoint);
            ranks = 2;
        }

        Assert.That(Finish(launcher, 1, broken), Is.EqualTo(whole));
    }

    /// <summary>What the launcher hands on to all ranks: they stop after the same step, and save.</summary>
    [Test]
    public void Train_UserSignal_StopsAndSaves()
    {
        string[] arguments = [.. Arguments("stops", "accumulate=2"), "--epochs", "100000"];
        using MpiJob.Running job = MpiJob.Start(OpenMpi, 2, Program, arguments);
        job.WaitFor(() => File.Exists(corpus.PathOf("stops/latest.safetensors")));
        Process.Start("kill", ["-USR1", $"{job.Id}"])!.WaitForExit();
        MpiJob.Result result = job.End();
        Assert.That(result.Code, Is.EqualTo(130), result.Output + result.Error);
        TinyCorpus.AssertLoads(corpus.PathOf("stops/latest.safetensors"));
    }

    private static int ParentOf(Process process) =>
        int.Parse(File.ReadLines($"/proc/{process.Id}/status").First(line => line.StartsWith("PPid:", StringComparison.Ordinal))["PPid:".Length..], CultureInfo.InvariantCulture);

    private static string Program => typeof(Ds2.Train.Program).Assembly.Location;

    /// <summary>Commands without subcommands, each with a value for what it needs.</summary>
    private static IEnumerable<TestCaseData> OtherCommands()
    {
        return Leaves(Ds2.Train.Commands.CommandLine.Create(), "").Where(leaf => leaf.Name != "train")
            .Select(leaf => new TestCaseData(leaf.Name, leaf.Name.Split(' ').Concat(Needs(leaf.Command)).ToArray()).SetArgDisplayNames(leaf.Name));

        static IEnumerable<(string Name, Command Command)> Leaves(Command command, string name) => command.Subcommands.Count == 0
            ? [(name, command)]
            : command.Subcommands.SelectMany(child => Leaves(child, $"{name} {child.Name}".Trim()));

        static IEnumerable<string> Needs(Command command) =>
            command.Options.Where(option => option.Required).SelectMany(option => new[] { option.Name, "x" })
                .Concat(command.Arguments.Where(argument => argument.Arity.MinimumNumberOfValues > 0).Select(_ => "x"));
    }

    /// <summary>Runs a script in the corpus's folder.</summary>
    private (int Code, string Output) Script(string name, string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("bash", [Path.Combine(Repository.Require(), "data-scripts", name), .. arguments])
        {
            WorkingDirectory = corpus.Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        foreach ((string variable, string value) in environment)
            start.Environment[variable] = value;
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    private string[] Arguments(string folder, params string[] settings) =>
    [
        .. corpus.TrainArguments(folder), "--threads", "1", "--loaders", "1", "--target-wer", "-1",
        .. new[] { "batch=1", "order=bucketed", "tempo=0.1", "noise=0.5", "dropout=0.1" }.Concat(settings).SelectMany(setting => new[] { "--set", setting }),
    ];

    /// <summary>All tensors of the run's last checkpoint.</summary>
    private static Dictionary<string, float[]> Finish(string launcher, int ranks, string[] arguments)
    {
        MpiJob.Result job = MpiJob.RunProgram(launcher, ranks, Program, arguments);
        Assert.That(job.Code, Is.Zero, job.Output + job.Error);
        string folder = arguments[Array.IndexOf(arguments, "--out") + 1];
        return TrainingRuns.TensorsOf(new CheckpointPolicy(folder, TimeSpan.Zero).Latest);
    }
}
