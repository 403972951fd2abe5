using Ds2.Runtime.Training;

namespace Ds2.Tests.Training;

public sealed class SpikeDetectorTests
{
    [Test]
    public void IsSpike_BeforeTheWindowIsFull_IsNever()
    {
        var window = new List<double>();
        for (int i = 0; i < SpikeDetector.Window; i++)
            Assert.That(SpikeDetector.IsSpike(window, i % 2 == 0 ? 1 : 1e9, limit: 1e-9), Is.False);
        Assert.That(window, Has.Count.EqualTo(SpikeDetector.Window));
    }

    /// <summary>Mean 10, deviation 1.</summary>
    [TestCase(13.1, 3, true)]
    [TestCase(12.9, 3, false)]
    [TestCase(6.0, 3, false, Description = "far below is good news")]
    [TestCase(1e9, 0, false, Description = "off")]
    [TestCase(double.NaN, 3, false, Description = "that is another rule's")]
    [TestCase(double.PositiveInfinity, 3, false)]
    public void IsSpike_IsByDeviationsAboveTheMean(double value, double limit, bool expected) =>
        Assert.That(SpikeDetector.IsSpike(Full(9, 11), value, limit), Is.EqualTo(expected));

    [Test]
    public void IsSpike_ConstantValues_ASmallerOneIsNone_ALargerOneIs()
    {
        Assert.That(SpikeDetector.IsSpike(Full(5, 5), 5, 3), Is.False);
        Assert.That(SpikeDetector.IsSpike(Full(5, 5), 4, 3), Is.False);
        Assert.That(SpikeDetector.IsSpike(Full(5, 5), 6, 3), Is.True);
    }

    /// <summary>A lasting change is not left out for ever.</summary>
    [Test]
    public void IsSpike_ValuesJoinTheWindow_SoThatALevelBecomesNormal()
    {
        List<double> window = Full(9, 11);
        int spikes = Enumerable.Range(0, SpikeDetector.Window).Count(_ => SpikeDetector.IsSpike(window, 100, 3));
        Assert.That(spikes, Is.InRange(1, SpikeDetector.Window / 4));
        Assert.That(window, Is.EqualTo(Enumerable.Repeat(100.0, SpikeDetector.Window)));
    }

    [Test]
    public void IsSpike_WhatIsNotFiniteOrOff_DoesNotJoin()
    {
        List<double> window = Full(9, 11);
        double[] before = [.. window];
        SpikeDetector.IsSpike(window, double.NaN, 3);
        SpikeDetector.IsSpike(window, 100, 0);
        Assert.That(window, Is.EqualTo(before));
    }

    private static List<double> Full(double low, double high) => [.. Enumerable.Range(0, SpikeDetector.Window).Select(i => i % 2 == 0 ? low : high)];
}
