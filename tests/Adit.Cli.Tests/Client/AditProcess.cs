using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Adit.Cli.Tests.Terminal;

namespace Adit.Cli.Tests.Client;

/// <summary>The built program, run as a person or a script runs it.</summary>
internal sealed partial class AditProcess : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly StringBuilder _errors = new();
    private readonly SemaphoreSlim _errorsCame = new(0);
    private readonly TaskCompletionSource _errorsEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private AditProcess(ProcessStartInfo start)
    {
        start.Environment["SSH_ASKPASS_REQUIRE"] = "never";
        start.Environment.Remove("SSH_AUTH_SOCK");
        _process = Process.Start(start)!;
        if (start.RedirectStandardError)
        {
            Output = _process.StandardOutput.ReadToEndAsync();
            _ = ReadErrorsAsync();
        }
    }

    public static string Executable { get; } = Path.Combine(AppContext.BaseDirectory, "adit");

    /// <summary>Standard output, complete when the program ends.</summary>
    public Task<string> Output { get; } = Task.FromResult("");

    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    /// <summary>Runs it without a terminal, as a script would.</summary>
    public static AditProcess Start(params string[] arguments) => StartAs(Executable, arguments);

    /// <summary>The same through another name of the program.</summary>
    public static AditProcess StartAs(string program, params string[] arguments)
    {
        // setsid takes the terminal of whoever runs the tests away.
        return new AditProcess(new ProcessStartInfo("setsid", [program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        });
    }

    /// <summary>Runs it on a terminal of its own.</summary>
    public static AditProcess StartOn(PseudoTerminal terminal, params string[] arguments) =>
        new(new ProcessStartInfo("/bin/sh", ["-c", "exec setsid -c \"$@\" <\"$0\" >\"$0\" 2>\"$0\"", terminal.Path, Executable, .. arguments]));

    /// <summary>Runs it to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        await using var process = Start(arguments);
        var exitCode = await process.WaitAsync();
        return (exitCode, await process.Output, process.Errors);
    }

    public async Task<int> WaitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Deadline);
        if (_process.StartInfo.RedirectStandardError)
        {
            await _errorsEnded.Task.WaitAsync(Deadline);
        }

        return _process.ExitCode;
    }

    /// <summary>Sends a signal to the program: a child of ours leads no process group, so setsid need not fork and has become it.</summary>
    public void Signal(int signal) => Assert.Equal(0, kill(_process.Id, signal));

    /// <summary>Waits until it has written these words on standard error.</summary>
    public async Task WaitForErrorAsync(string words)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!Errors.Contains(words, StringComparison.Ordinal))
        {
            Assert.False(_errorsEnded.Task.IsCompleted && !Errors.Contains(words, StringComparison.Ordinal), $"it ended: {Errors}");
            await _errorsCame.WaitAsync(deadline.Token);
        }
    }

    /// <summary>Sends a line to a port that the program is about to listen on and returns what comes back.</summary>
    public async Task<string> EchoAsync(int port, string line)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (!_process.HasExited)
        {
            using var client = new TcpClient();
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, port, deadline.Token);
            }
            catch (SocketException)
            {
                await Task.Delay(20, deadline.Token); // it does not listen yet, and does not say when it does
                continue;
            }

            var stream = client.GetStream();
            await stream.WriteAsync(Encoding.UTF8.GetBytes(line), deadline.Token);
            client.Client.Shutdown(SocketShutdown.Send);
            return await new StreamReader(stream).ReadToEndAsync(deadline.Token);
        }

        throw new InvalidOperationException($"it ended: {Errors}");
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private async Task ReadErrorsAsync()
    {
        var buffer = new char[4096];
        for (int count; (count = await _process.StandardError.ReadAsync(buffer)) > 0;)
        {
            lock (_errors)
            {
                _errors.Append(buffer, 0, count);
            }

            _errorsCame.Release();
        }

        _errorsEnded.SetResult();
        _errorsCame.Release();
    }

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
