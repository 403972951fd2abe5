namespace Ds2.Runtime;
