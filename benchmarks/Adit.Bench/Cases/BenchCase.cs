namespace Adit.Bench.Cases;

/// <summary>Something worth measuring.</summary>
internal abstract class BenchCase
{
    protected const string AesGcm = "aes128-gcm@openssh.com";
    protected const string ChaCha = "chacha20-poly1305@openssh.com";

    /// <summary>What --only takes.</summary>
    public abstract string Name { get; }

    public abstract string Title { get; }

    /// <summary>The longest that the whole case may take.</summary>
    public virtual TimeSpan Deadline => TimeSpan.FromMinutes(8);

    public abstract Task RunAsync(CaseRun run);
}
