using Adit.Ssh.OpenSsh;

namespace Adit.Server.Configuration;

/// <summary>PermitUserEnvironment: which variables a user may set with environment="…" in authorized_keys.</summary>
/// <param name="Patterns">"yes", "no", or a list of patterns.</param>
public sealed record EnvironmentNames(string Patterns)
{
    public static EnvironmentNames None { get; } = new("no");

    public bool Permits(string name) => Patterns switch
    {
        "no" => false,
        "yes" => true,
        _ => PatternList.Matches(name, Patterns),
    };

    public override string ToString() => Patterns;
}
