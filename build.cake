// The chores of the repository: dotnet tool restore && dotnet cake --target=Test
// Targets: Restore, Lint, Build, Test (the default), Bench, Report. Arguments: --configuration, --filter (of tests or benchmarks).

var target = Argument("target", "Test");
var configuration = Argument("configuration", "Release");
var filter = Argument("filter", "");
var solution = "Ds2.slnx";
var reports = Directory("BenchmarkDotNet.Artifacts/results");

Task("Restore")
    .Description("Fetches the packages that the lock files name.")
    .Does(() => DotNetRestore(solution, new DotNetRestoreSettings { LockedMode = true }));

Task("Lint")
    .Description("Fails where dotnet format would change a file.")
    .IsDependentOn("Restore")
    .Does(() => DotNetFormat(solution, new DotNetFormatSettings { NoRestore = true, VerifyNoChanges = true }));

Task("Build")
    .Description("Builds everything; a warning is an error.")
    .IsDependentOn("Restore")
    .Does(() => DotNetBuild(solution, new DotNetBuildSettings { Configuration = configuration, NoRestore = true }));

Task("Test")
    .Description("Runs the tests, or those that --filter names.")
    .IsDependentOn("Build")
    .Does(() => DotNetTest(solution, new DotNetTestSettings
    {
        Configuration = configuration,
        NoRestore = true,
        NoBuild = true,
        Filter = filter == "" ? null : filter,
    }));

Task("Bench")
    .Description("Times the ops, or those that --filter names (a glob of BenchmarkDotNet).")
    .IsDependentOn("Build")
    .Does(() => DotNetRun("Ds2.Bench", new ProcessArgumentBuilder().Append("ops").Append("--filter").AppendQuoted(filter == "" ? "*" : filter), new DotNetRunSettings
    {
        Configuration = configuration,
        NoRestore = true,
        NoBuild = true,
    }));

Task("Report")
    .Description("Joins the tables of the last Bench into one page, BenchmarkDotNet.Artifacts/report.md.")
    .Does(() =>
    {
        var tables = GetFiles($"{reports}/*-report-github.md").OrderBy(file => file.FullPath).ToList();
        if (tables.Count == 0)
            throw new CakeException("there are no benchmark results yet: run --target=Bench first");

        var page = File("BenchmarkDotNet.Artifacts/report.md");
        System.IO.File.WriteAllLines(page, tables.SelectMany(table => new[]
        {
            $"## {table.GetFilenameWithoutExtension().ToString().Replace("-report-github", "")}",
            "",
            System.IO.File.ReadAllText(table.FullPath).Trim(),
            "",
        }));
        Information("{0} tables in {1}", tables.Count, page);
    });

RunTarget(target);
