using System.Reflection;
using System.Text;

namespace Adit.Ssh.Tests.Architecture;

/// <summary>The library's public surface, written down, so that a change of it is seen in review. With ADIT_WRITE_API=1 the test writes the file anew.</summary>
public class PublicApiTests
{
    private static readonly string Snapshot = Path.Combine(SourceTree.Root, "tests", "Adit.Ssh.Tests", "Architecture", "PublicApi.txt");

    [Fact]
    public void ThePublicSurfaceIsTheOneWrittenDown()
    {
        string now = Describe(typeof(SshClient).Assembly);
        if (Environment.GetEnvironmentVariable("ADIT_WRITE_API") == "1")
            File.WriteAllText(Snapshot, now);
        Assert.Equal(File.ReadAllLines(Snapshot), now.TrimEnd('\n').Split('\n'));
    }

    private static string Describe(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (var type in assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            string kind = type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsValueType ? "struct" : type is { IsAbstract: true, IsSealed: true } ? "static class"
                : type.IsAbstract ? "abstract class" : type.IsSealed ? "sealed class" : "class";
            text.Append(kind).Append(' ').Append(Name(type)).Append('\n');
            if (type.IsEnum)
            {
                text.Append("  ").AppendJoin(", ", Enum.GetNames(type)).Append('\n');
                continue;
            }
            foreach (string member in Members(type).Distinct().Order(StringComparer.Ordinal))
                text.Append("  ").Append(member).Append('\n');
        }
        return text.ToString();
    }

    private static IEnumerable<string> Members(Type type)
    {
        const BindingFlags declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        foreach (var constructor in type.GetConstructors(declared).Where(IsVisible))
            yield return $"new({Parameters(constructor)})";
        foreach (var property in type.GetProperties(declared))
        {
            bool get = property.GetMethod is { } getter && IsVisible(getter);
            bool set = property.SetMethod is { } setter && IsVisible(setter);
            if (get || set)
                yield return $"{Name(property.PropertyType)} {property.Name} {{{(get ? " get;" : "")}{(set ? " set;" : "")} }}";
        }
        foreach (var field in type.GetFields(declared).Where(field => field.IsPublic || field.IsFamily))
            yield return $"{Name(field.FieldType)} {field.Name}";
        foreach (var method in type.GetMethods(declared).Where(method => IsVisible(method) && !method.IsSpecialName && !method.Name.Contains('<', StringComparison.Ordinal)))
            yield return $"{(method.IsStatic ? "static " : "")}{Name(method.ReturnType)} {method.Name}({Parameters(method)})";
    }

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(parameter => Name(parameter.ParameterType)));

    private static string Name(Type type)
    {
        if (type.IsByRef)
            return $"ref {Name(type.GetElementType()!)}";
        if (type.IsArray)
            return $"{Name(type.GetElementType()!)}[]";
        string name = type.IsGenericParameter ? type.Name : (type.FullName ?? $"{type.Namespace}.{type.Name}");
        if (!type.IsGenericType)
            return name;
        string bare = type.GetGenericTypeDefinition().FullName!;
        return $"{bare[..bare.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
