using System.Reflection;
using System.Runtime.CompilerServices;
using Ds2.Runtime.Training;

namespace Ds2.Tests.Layout;

/// <summary>Dependencies between the folders of Ds2.Runtime point one way: docs/architecture.md shows the layout.</summary>
public sealed class ArrowTests
{
    private const string Root = "Ds2.Runtime";

    /// <summary>From the bottom up: a folder may use those before it, and its own. What stands in one line does not know the others of the line.</summary>
    private static readonly string[][] Layers =
    [
        [""],
        ["Files", "Options", "Distributed"],
        ["Text", "Audio", "Safetensors"],
        ["Features"],
        ["Data"],
        ["Data.Augment", "Data.LibriSpeech.Dataset"],
        ["Data.Batching", "Data.LibriSpeech"],
        ["Data.LibriSpeech.Download", "Layers", "Decoding.LanguageModels"],
        ["Model", "Decoding"],
        ["Decoding.Alignment"],
        ["Recognition"],
        ["Recognition.Long"],
        ["Recognition.Streaming"],
        ["Evaluation"],
        ["Training"],
    ];

    [Test]
    public void Folders_AreAllKnown()
    {
        string[] known = [.. Layers.SelectMany(layer => layer)];
        Assert.That(Types().Select(FolderOf).Distinct().Except(known), Is.Empty, "a new folder belongs into the layers above, and into docs/architecture.md");
    }

    [Test]
    public void Dependencies_PointOneWay()
    {
        var level = Layers.SelectMany((layer, index) => layer.Select(folder => (folder, index))).ToDictionary(pair => pair.folder, pair => pair.index);
        string[] wrong =
        [
            .. Types().SelectMany(type => UsedBy(type).Where(used => used.Namespace?.StartsWith(Root, StringComparison.Ordinal) == true)
                .Select(used => (From: FolderOf(type), To: FolderOf(used), type, used)))
                .Where(use => use.From != use.To && level[use.To] >= level[use.From])
                .Select(use => $"{use.From} -> {use.To}: {use.type.FullName} uses {use.used.FullName}").Distinct().Order(StringComparer.Ordinal),
        ];
        Assert.That(wrong, Is.Empty);
    }

    /// <summary>The runtime knows the kernels, and neither the command line nor the terminal's packages.</summary>
    [Test]
    public void Runtime_KnowsNoCommandLine() =>
        Assert.That(typeof(Trainer).Assembly.GetReferencedAssemblies().Select(assembly => assembly.Name), Has.None.Matches<string>(
            name => name is "Ds2.Train" or "Ds2.Bench" or "System.CommandLine" or "Spectre.Console"));

    private static IEnumerable<Type> Types() =>
        typeof(Trainer).Assembly.GetTypes().Where(type => type.Namespace == Root || type.Namespace?.StartsWith(Root + ".", StringComparison.Ordinal) == true);

    private static string FolderOf(Type type) => type.Namespace!.Length == Root.Length ? "" : type.Namespace[(Root.Length + 1)..];

    /// <summary>The types in a type's signature and in its methods' code.</summary>
    private static IEnumerable<Type> UsedBy(Type type)
    {
        const BindingFlags all = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        IEnumerable<Type?> used = [type.BaseType, .. type.GetInterfaces(), .. type.GetFields(all).Select(field => field.FieldType)];
        foreach (MethodBase method in type.GetMethods(all).Cast<MethodBase>().Concat(type.GetConstructors(all)))
            used = used.Concat(UsedBy(method));
        return used.OfType<Type>().SelectMany(Parts).Where(part => part != type).Distinct();
    }

    private static IEnumerable<Type?> UsedBy(MethodBase method)
    {
        IEnumerable<Type?> used = method.GetParameters().Select(parameter => parameter.ParameterType);
        if (method is MethodInfo { ReturnType: var returned })
            used = used.Append(returned);
        if (method.GetMethodBody() is not { } body)
            return used;
        used = used.Concat(body.LocalVariables.Select(local => local.LocalType));
        return used.Concat(MembersIn(method, body.GetILAsByteArray() ?? []));
    }

    /// <summary>The owners of what the code calls, reads or makes. Every four bytes that are a member's token are taken for one: the code need not be decoded for that, and what is no token
    /// of this module resolves to nothing, or, once in a while, to a member of the same module, which would show as an arrow that is not there.</summary>
    private static IEnumerable<Type?> MembersIn(MethodBase method, byte[] code)
    {
        Module module = method.Module;
        Type[] typeArguments = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : [];
        Type[] methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : [];
        for (int i = 0; i + 5 <= code.Length; i++)
        {
            // call, callvirt, newobj, ldfld, ldsfld, castclass, isinst, newarr: the opcodes that a token follows.
            if (code[i] is not (0x28 or 0x6F or 0x73 or 0x7B or 0x7E or 0x74 or 0x75 or 0x8D))
                continue;
            MemberInfo? member = null;
            try
            {
                member = module.ResolveMember(BitConverter.ToInt32(code, i + 1), typeArguments, methodArguments);
            }
            catch (Exception exception) when (exception is ArgumentException or BadImageFormatException)
            {
                // No token.
            }

            if (member is not null)
                yield return member as Type ?? member.DeclaringType;
        }
    }

    /// <summary>A type, or what it is made of: elements and arguments. Compiler-made types count as what they belong to.</summary>
    private static IEnumerable<Type> Parts(Type type)
    {
        if (type.HasElementType)
            return Parts(type.GetElementType()!);
        Type named = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        while (named.IsNested && named.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false))
            named = named.DeclaringType!;
        return type.IsGenericType ? type.GetGenericArguments().Where(argument => !argument.IsGenericParameter).SelectMany(Parts).Append(named) : type.IsGenericParameter ? [] : [named];
    }
}
