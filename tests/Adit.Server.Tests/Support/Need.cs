namespace Adit.Server.Tests.Support;

/// <summary>What some tests need of the machine. xunit 2 decides about skipping before a test runs, so this stands in attributes.</summary>
internal static class Need
{
    public const string Root = "root";
    public const string LibCrypt = "libcrypt";
    public const string Sshd = "/usr/sbin/sshd";
    public const string SshKeygen = "/usr/bin/ssh-keygen";
    public const string UserAdd = "/usr/sbin/useradd";
    public const string StockConfig = "/etc/ssh/sshd_config";

    /// <summary>Null when all is there, else "needs …".</summary>
    public static string? Missing(string[] needs)
    {
        var missing = needs.Where(need => !IsThere(need)).ToArray();
        return missing.Length == 0 ? null : "needs " + string.Join(", ", missing);
    }

    private static bool IsThere(string need) => need switch
    {
        Root => Login.IsRoot,
        LibCrypt => Adit.Server.Users.LibCrypt.IsAvailable,
        _ => File.Exists(need),
    };
}

/// <summary>A test that is skipped, and counted as such, where the machine lacks something.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class FactNeedingAttribute : FactAttribute
{
    public FactNeedingAttribute(params string[] needs) => Skip = Need.Missing(needs);
}

/// <inheritdoc cref="FactNeedingAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TheoryNeedingAttribute : TheoryAttribute
{
    public TheoryNeedingAttribute(params string[] needs) => Skip = Need.Missing(needs);
}
