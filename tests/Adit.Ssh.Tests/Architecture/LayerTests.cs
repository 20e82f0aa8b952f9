namespace Adit.Ssh.Tests.Architecture;

/// <summary>The arrows of docs/architecture.md run one way.</summary>
public class LayerTests
{
    /// <summary>What each layer may use besides itself and the types everybody may use.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Wire"] = [],
        ["Cryptography"] = ["Wire"],
        ["Keys"] = ["Wire", "Cryptography"],
        ["Transport"] = ["Wire", "Cryptography", "Keys"],
        ["Authentication"] = ["Wire", "Cryptography", "Keys", "Transport"],
        ["Connection"] = ["Wire", "Cryptography", "Keys", "Transport"],
        ["Forwarding"] = ["Wire", "Cryptography", "Keys", "Transport", "Authentication", "Connection"],
        ["OpenSsh"] = ["Wire", "Cryptography", "Keys", "Transport", "Forwarding"],
        [""] = ["Wire", "Cryptography", "Keys", "Transport", "Authentication", "Connection", "Forwarding", "OpenSsh"],
    };

    /// <summary>Errors and log events: the words that every layer speaks.</summary>
    private static readonly Type[] Common = [typeof(SshException), typeof(SshError), typeof(DisconnectReason), typeof(OpenFailureReason), typeof(LogEvents)];

    [Fact]
    public void NoLayerUsesOneAboveIt()
    {
        var offences = new List<string>();
        int seen = 0;
        foreach (var type in typeof(SshClient).Assembly.GetTypes())
        {
            if (Layer(type) is not { } layer || Common.Contains(Outermost(type)))
                continue;
            seen++;
            foreach (var used in AssemblyReferences.UsedBy(type))
            {
                if (Layer(used) is { } other && other != layer && !Allowed[layer].Contains(other) && !Common.Contains(Outermost(used)))
                    offences.Add($"{type.FullName} uses {used.FullName}");
            }
        }
        Assert.True(seen > 100, $"only {seen} types were looked at");
        Assert.Empty(offences.Distinct());
    }

    /// <summary>The test itself would notice: a facade does use lower layers, in the code of its methods too.</summary>
    [Fact]
    public void TheReaderSeesUsesInsideMethods()
    {
        var used = AssemblyReferences.UsedBy(typeof(SshClient));
        Assert.Contains(used, type => Layer(type) == "Connection");
        Assert.Contains(used, type => Layer(type) == "Transport");
    }

    [Fact]
    public void EveryFolderIsANamespaceAndALayer()
    {
        string root = Path.Combine(SourceTree.Root, "src", "Adit.Ssh");
        foreach (string file in SourceTree.Files(root))
        {
            string folder = Path.GetRelativePath(root, Path.GetDirectoryName(file)!).Replace(Path.DirectorySeparatorChar, '.');
            string expected = folder == "." ? "namespace Adit.Ssh;" : $"namespace Adit.Ssh.{folder};";
            Assert.True(File.ReadLines(file).Any(line => line == expected) || !File.ReadAllText(file).Contains("namespace ", StringComparison.Ordinal),
                $"{file} is not in {expected}");
        }
    }

    private static Type Outermost(Type type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    /// <summary>The first part of the namespace below Adit.Ssh; "" for the facades; null for what the compiler made.</summary>
    private static string? Layer(Type type)
    {
        string? space = Outermost(type).Namespace;
        if (space is null || !space.StartsWith("Adit.Ssh", StringComparison.Ordinal))
            return null;
        return space == "Adit.Ssh" ? "" : space["Adit.Ssh.".Length..].Split('.')[0];
    }
}
