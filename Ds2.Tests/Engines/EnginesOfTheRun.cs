using Ds2.Tests.Engines;

namespace Ds2.Tests;

/// <summary>Gives the engines back after the last test of the assembly.</summary>
[SetUpFixture]
public sealed class EnginesOfTheRun
{
    [OneTimeTearDown]
    public void DisposeEngines() => TestEngines.DisposeAll();
}
