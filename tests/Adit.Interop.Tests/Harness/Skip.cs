using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

[assembly: TestFramework("Adit.Interop.Tests.Harness.SkippingTestFramework", "Adit.Interop.Tests")]

namespace Adit.Interop.Tests.Harness;

/// <summary>What a test needs from the machine; where it is missing the test is skipped, not failed.</summary>
internal static class Need
{
    public static void That(bool condition, string what)
    {
        if (!condition)
        {
            throw new SkipException("needs " + what);
        }
    }

    public static void Root() => That(Machine.IsRoot, "root");

    public static void Tools(params string[] names)
    {
        foreach (string name in names)
        {
            That(Machine.FindTool(name) is not null, name);
        }
    }
}

/// <summary>Ends a test as skipped.</summary>
internal sealed class SkipException(string reason) : Exception(reason);

/// <summary>xunit 2 decides before a test runs whether it is skipped. What a test needs is often known only inside it, so here a test that ends
/// with <see cref="SkipException"/> is reported as skipped.</summary>
public sealed class SkippingTestFramework(IMessageSink messageSink) : XunitTestFramework(messageSink)
{
    protected override ITestFrameworkExecutor CreateExecutor(AssemblyName assemblyName) =>
        new Executor(assemblyName, SourceInformationProvider, DiagnosticMessageSink);

    private sealed class Executor(AssemblyName assemblyName, ISourceInformationProvider sources, IMessageSink diagnostics)
        : XunitTestFrameworkExecutor(assemblyName, sources, diagnostics)
    {
        protected override void RunTestCases(
            IEnumerable<IXunitTestCase> testCases, IMessageSink executionMessageSink, ITestFrameworkExecutionOptions executionOptions) =>
            base.RunTestCases(testCases, new SkippingSink(executionMessageSink), executionOptions);
    }

    private sealed class SkippingSink(IMessageSink inner) : LongLivedMarshalByRefObject, IMessageSink
    {
        public bool OnMessage(IMessageSinkMessage message) => inner.OnMessage(
            message is ITestFailed failed && failed.ExceptionTypes[0] == typeof(SkipException).FullName
                ? new TestSkipped(failed.Test, failed.Messages[0])
                : message);
    }
}
